"""Compares what a round was asked for with what everybody's books say of it, without effects."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from perdure.chaos.books import OperationRow, OutsideBooks, OwnBooks
from perdure.chaos.client import Seen
from perdure.chaos.plan import (
    NEVER_SUCCEED,
    POOR_WALLET,
    REJECTING_MAILBOX,
    REJECTING_PHONE,
    Plan,
    PlannedPayment,
)

_FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})
_REFUSED_AT_ONCE: Final = "insufficient_funds"
"""The only answer but 201 a caller may get, and only from the poor wallet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be.

    Args:
        seed: The round's; None: it is of no one round.
        subject: The payment's key, or what else it is about.
        operation_id: The operation's, where it is about one.
    """

    name: str
    seed: int | None
    subject: str
    operation_id: str | None
    detail: str


def findings(
    plan: Plan, seen: dict[str, Seen], own: OwnBooks, outside: OutsideBooks
) -> list[Finding]:
    """Return everything that is not as it must be, once a round is over."""
    by_key: defaultdict[str, list[OperationRow]] = defaultdict(list)
    for operation in own.operations:
        by_key[operation.key].append(operation)
    found: list[Finding] = []
    for payment in plan.payments:
        operations = by_key.pop(payment.key, [])
        answered = seen.get(payment.key, Seen())
        wrong = list(_wrong_answers(payment, answered, operations))
        for operation in operations:
            wrong += _wrong_end(payment, answered, operation)
            wrong += _wrong_charges(payment, operation, outside)
            wrong += _wrong_messages(payment, operation, outside)
        found += [
            Finding(name, plan.seed, payment.key, _id_of(operations), detail)
            for name, detail in wrong
        ]
    for key, operations in by_key.items():
        detail = "nobody asked for it"
        found.append(Finding("not_asked_for", plan.seed, key, _id_of(operations), detail))
    found += [
        Finding(name, plan.seed, plan.customer_id, None, detail)
        for name, detail in _wrong_totals(plan, own, outside)
    ]
    return found


def _id_of(operations: Sequence[OperationRow]) -> str | None:
    return operations[0].id if operations else None


Wrong = Iterator[tuple[str, str]]
"""Names and details of findings."""


def _wrong_answers(
    payment: PlannedPayment, seen: Seen, operations: Sequence[OperationRow]
) -> Wrong:
    """Find what a caller was told and is not so: one payment per key, and none that is missing."""
    told = sorted(set(seen.payment_ids))
    stored = sorted(operation.id for operation in operations)
    if not seen.payment_ids and not seen.refusals:
        yield "not_answered", "no request for it had an answer"
    if len(stored) > 1:
        yield "doubled", f"one key, {len(stored)} operations: {', '.join(stored)}"
    if missing := [payment_id for payment_id in told if payment_id not in stored]:
        yield "lost", f"accepted as {', '.join(missing)}, and there is no such operation"
    if len(told) > 1 or (told and seen.refusals):
        yield "answers_differ", f"one key, answered {', '.join([*told, *seen.refusals])}"
    if stored and not told:
        yield "refused_yet_made", f"answered {', '.join(seen.refusals)}, yet there is {stored[0]}"
    for code in seen.refusals:
        if code != _REFUSED_AT_ONCE or payment.wallet != POOR_WALLET:
            yield "refused", f"answered {code}"


def _wrong_end(payment: PlannedPayment, seen: Seen, operation: OperationRow) -> Wrong:
    """Find an operation that has not ended, or not as it must."""
    status = operation.status
    ending = f"{status} ({operation.failure_code})" if operation.failure_code else status
    if status not in _FINISHED:
        yield "not_ended", f"still {ending}"
        return
    if status == "succeeded" and payment.payment_method in NEVER_SUCCEED:
        yield "succeeded_by_mistake", f"succeeded with {payment.payment_method}"
    if status == "cancelled" and seen.cancellation is None:
        yield "cancelled_by_nobody", ending
    if seen.cancellation == "accepted" and status == "succeeded":
        yield "cancellation_lost", "the cancellation was accepted, and the payment succeeded"
    if seen.cancellation == "refused" and status == "cancelled":
        yield "cancellation_denied", "the cancellation was refused, and the payment is cancelled"
    if seen.cancellation not in (None, "accepted", "refused"):
        yield "cancellation_failed", f"answered {seen.cancellation}"
    moved = payment.amount_minor if status == "succeeded" else 0
    if operation.posted_minor != moved:
        yield "ledger_differs", f"{ending} for {moved}, the ledger moved {operation.posted_minor}"


def _wrong_charges(
    payment: PlannedPayment, operation: OperationRow, outside: OutsideBooks
) -> Wrong:
    """Find money that the gateway took or gave back, and should not have."""
    charges = outside.charges.get(operation.id, [])
    if len(charges) > 1:
        yield "charged_twice", f"{len(charges)} charges: {[charge.status for charge in charges]}"
    if outside.refunds[operation.id] > 1:
        yield "refunded_twice", f"{outside.refunds[operation.id]} refunds"
    if operation.status not in _FINISHED:
        return
    if pending := [charge for charge in charges if charge.status == "pending"]:
        yield "charge_left_open", f"{operation.status}, with {len(pending)} charges pending"
    kept_minor = _kept_minor(operation, outside)
    due_minor = payment.amount_minor if operation.status == "succeeded" else 0
    if kept_minor != due_minor:
        yield "gateway_differs", f"{operation.status}, the gateway kept {kept_minor}: {charges}"


def _kept_minor(operation: OperationRow, outside: OutsideBooks) -> int:
    return sum(
        charge.amount_minor - charge.refunded_minor
        for charge in outside.charges.get(operation.id, [])
        if charge.status == "succeeded"
    )


def _wrong_messages(
    payment: PlannedPayment, operation: OperationRow, outside: OutsideBooks
) -> Wrong:
    """Find messages that are missing, doubled, or nobody should have got."""
    contacts = {"payer": payment.payer, "payee": payment.payee}
    told = {"succeeded": {"payer", "payee"}, "failed": {"payer"}, "cancelled": {"payer"}}
    for audience, contact in contacts.items():
        is_due = audience in told.get(operation.status, set())
        for recipient in (contact.email, contact.phone):
            if recipient is None:
                continue
            got, rejects = outside.messages[recipient], _rejects(recipient)
            if got > 1:
                yield "message_doubled", f"{recipient} was told {got} times"
            if is_due and not rejects and got == 0:
                yield "message_missing", f"{recipient} was not told it {operation.status}"
            if got and not is_due:
                yield "message_unasked", f"{recipient} was told, and it is {operation.status}"
            state = operation.messages.get(recipient, "none")
            due_state = ("rejected" if rejects else "sent") if is_due else "none"
            if operation.status in _FINISHED and state != due_state:
                yield "message_state", f"to {recipient} is {state}, should be {due_state}"


def _rejects(recipient: str) -> bool:
    if recipient.startswith("+"):
        return recipient.endswith(REJECTING_PHONE)
    return recipient.partition("+")[0] == REJECTING_MAILBOX


def _wrong_totals(plan: Plan, own: OwnBooks, outside: OutsideBooks) -> Wrong:
    """Find a difference between what left the wallets, the clearing account and the gateway."""
    left_minor = sum(plan.deposits_minor) - sum(wallet.posted_minor for wallet in own.wallets)
    cleared_minor = sum(operation.posted_minor for operation in own.operations)
    kept_minor = sum(_kept_minor(operation, outside) for operation in own.operations)
    if not left_minor == cleared_minor == kept_minor:
        detail = (
            f"{left_minor} left the wallets, {cleared_minor} came to the clearing account,"
            f" the gateway kept {kept_minor}"
        )
        yield "totals_differ", detail
    if held_minor := sum(wallet.held_minor for wallet in own.wallets):
        yield "still_held", f"{held_minor} are held in the wallets"


def books_differ(clearing_minor: int, outside: OutsideBooks) -> list[Finding]:
    """Return the difference between all we owe the gateway and all it keeps, once all is over."""
    kept_minor = sum(
        charge.amount_minor - charge.refunded_minor
        for charges in outside.charges.values()
        for charge in charges
        if charge.status == "succeeded"
    )
    if clearing_minor == kept_minor:
        return []
    detail = f"the clearing account has {clearing_minor}, the gateway kept {kept_minor}"
    return [Finding("clearing_differs", None, "gateway", None, detail)]


def outcomes(operations: Sequence[OperationRow]) -> Counter[str]:
    """Return how many operations ended how: by status, and failures by their code."""
    return Counter(
        f"{operation.status}: {operation.failure_code}"
        if operation.failure_code and operation.status == "failed"
        else operation.status
        for operation in operations
    )
