"""Compares what a round was asked for with what everybody's books say of it, without effects."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from perdure.chaos.books import OperationRow, OutsideBooks, OwnBooks, RefundRow
from perdure.chaos.dice import REJECTING_MAILBOX, REJECTING_PHONE
from perdure.chaos.load import Entry
from perdure.chaos.planned import FINISHED, POOR_WALLET, Plan, Planned
from perdure.chaos.seen import Finding, Seen

_REFUSED_AT_ONCE: Final = "insufficient_funds"
"""The only answer but 201 a caller may get, and only from the poor wallet."""


def findings(
    plan: Plan, seen: dict[str, Seen], own: OwnBooks, outside: OutsideBooks
) -> list[Finding]:
    """Return everything that is not as it must be, once a round is over."""
    by_key: defaultdict[str, list[OperationRow]] = defaultdict(list)
    for operation in own.operations:
        by_key[operation.key].append(operation)
    found: list[Finding] = []
    for planned in plan.operations:
        operations = by_key.pop(planned.key, [])
        answered = seen.get(planned.key, Seen())
        wrong = list(wrong_answers(planned, answered, operations))
        for operation in operations:
            wrong += wrong_end(planned, answered, operation)
            wrong += _wrong_refunds(planned, answered, operation)
            wrong += _wrong_effects(planned, operation, outside)
            wrong += _wrong_messages(planned, operation, outside)
        found += [
            Finding(name, plan.seed, planned.key, _id_of(operations), detail)
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


def wrong_answers(planned: Planned, seen: Seen, operations: Sequence[OperationRow]) -> Wrong:
    """Find what a caller was told and is not so: one operation per key, and none missing."""
    told = sorted(set(seen.operation_ids))
    stored = sorted(operation.id for operation in operations)
    if not told and not seen.refusals:
        yield "not_answered", "no request for it had an answer"
    if len(stored) > 1:
        yield "doubled", f"one key, {len(stored)} operations: {', '.join(stored)}"
    if missing := [operation_id for operation_id in told if operation_id not in stored]:
        yield "lost", f"accepted as {', '.join(missing)}, and there is no such operation"
    if len(told) > 1 or (told and seen.refusals):
        yield "answers_differ", f"one key, answered {', '.join([*told, *seen.refusals])}"
    if stored and not told:
        yield "refused_yet_made", f"answered {', '.join(seen.refusals)}, yet there is {stored[0]}"
    for code in seen.refusals:
        if code != _REFUSED_AT_ONCE or planned.wallet != POOR_WALLET:
            yield "refused", f"answered {code}"


def wrong_end(planned: Planned, seen: Seen, operation: OperationRow) -> Wrong:
    """Find an operation that has not ended, or not as it must."""
    status = operation.status
    ending = f"{status} ({operation.failure_code})" if operation.failure_code else status
    if status not in FINISHED:
        yield "not_ended", f"still {ending}"
        return
    if status == "succeeded" and planned.asked.never_succeeds:
        yield "succeeded_by_mistake", f"succeeded with {planned.asked.method}"
    if status == "cancelled" and seen.cancellation is None:
        yield "cancelled_by_nobody", ending
    if seen.cancellation == "accepted" and status == "succeeded" and not planned.asked.may_stand:
        yield "cancellation_lost", "the cancellation was accepted, and it succeeded"
    if seen.cancellation == "refused" and status == "cancelled":
        yield "cancellation_denied", "the cancellation was refused, and it is cancelled"
    if seen.cancellation not in (None, "accepted", "refused"):
        yield "cancellation_failed", f"answered {seen.cancellation}"
    moved = planned.asked.amount_minor if status == "succeeded" else 0
    if operation.posted_minor != moved:
        yield "ledger_differs", f"{ending} for {moved}, the ledger moved {operation.posted_minor}"


def _wrong_refunds(planned: Planned, seen: Seen, operation: OperationRow) -> Wrong:
    """Find a refund that is missing, doubled, nobody asked for, or has not ended as it must."""
    refunds = operation.refunds
    if seen.refund not in (None, "accepted"):
        yield "refund_failed", f"answered {seen.refund}"
    if seen.refund == "accepted" and not refunds:
        yield "refund_lost", "the refund was accepted, and there is none"
    if refunds and seen.refund is None:
        yield "refunded_by_nobody", f"there is {refunds[0].id}"
    if len(refunds) > 1:
        yield "refunds_doubled", f"{len(refunds)} refunds: {', '.join(each.id for each in refunds)}"
    for refund in refunds:
        moved = planned.asked.amount_minor if refund.status == "succeeded" else 0
        if refund.posted_minor != moved:
            detail = f"{refund.id} {refund.status}, the ledger moved {refund.posted_minor} back"
            yield "ledger_differs", detail
        if refund.status != "succeeded":
            yield "not_refunded", f"{refund.id} is {refund.status} ({refund.failure_code})"


def _wrong_effects(planned: Planned, operation: OperationRow, outside: OutsideBooks) -> Wrong:
    """Find what a provider did twice, or has of the money, and should not have."""
    done = outside.of(operation.id)
    for what, effects in done.items():
        if len(effects) > 1:
            yield "done_twice", f"{len(effects)} {what}: {[each.status for each in effects]}"
    if operation.status not in FINISHED:
        return
    for what, effects in done.items():
        if pending := [each.status for each in effects if each.is_open]:
            yield "left_open", f"{operation.status}, with {what} that are open: {pending}"
    kept_minor = _kept_minor(done)
    due_minor = planned.asked.amount_minor if operation.status == "succeeded" else 0
    due_minor -= operation.refunded_minor
    if kept_minor != due_minor:
        yield "provider_differs", f"{operation.status}, the provider has {kept_minor}: {dict(done)}"


def _kept_minor(done: Mapping[str, Sequence[Entry]]) -> int:
    """Return what a provider has of an operation's money."""
    return sum(each.kept_minor for effects in done.values() for each in effects)


def _wrong_messages(planned: Planned, operation: OperationRow, outside: OutsideBooks) -> Wrong:
    """Find messages that are missing, doubled, or nobody should have got."""
    for contact, is_due in planned.contacts(operation.status):
        for recipient in (contact.email, contact.phone):
            if recipient is None:
                continue
            got, takes = outside.messages[recipient], not rejects(recipient)
            refunds = operation.refunds if contact == planned.asked.customer else ()
            due = is_due + sum(refund.status in FINISHED for refund in refunds)
            if got > max(due, 1):
                yield "message_doubled", f"{recipient} was told {got} times, {due} are due"
            if takes and got < due:
                yield "message_missing", f"{recipient} was told {got} of {due} times"
            if got and not due:
                yield "message_unasked", f"{recipient} was told, and it is {operation.status}"
            yield from _wrong_state(operation, recipient, is_due=is_due)
            for refund in refunds:
                yield from _wrong_state(refund, recipient, is_due=True)


def _wrong_state(of: OperationRow | RefundRow, recipient: str, *, is_due: bool) -> Wrong:
    state = of.messages.get(recipient, "none")
    due_state = ("rejected" if rejects(recipient) else "sent") if is_due else "none"
    if of.status in FINISHED and state != due_state:
        yield "message_state", f"to {recipient} is {state}, should be {due_state}"


def rejects(recipient: str) -> bool:
    """Whether a mailbox or a phone takes nothing."""
    if recipient.startswith("+"):
        return recipient.endswith(REJECTING_PHONE)
    return recipient.partition("+")[0] == REJECTING_MAILBOX


def _wrong_totals(plan: Plan, own: OwnBooks, outside: OutsideBooks) -> Wrong:
    """Find a difference between what left the wallets, and came to whom it was meant for."""
    left_minor = sum(plan.deposits_minor) - sum(wallet.posted_minor for wallet in own.wallets)
    left_minor -= own.agreed_minor
    cleared_minor = sum(
        operation.posted_minor - operation.refunded_minor for operation in own.operations
    )
    kept_minor = sum(_kept_minor(outside.of(operation.id)) for operation in own.operations)
    if not left_minor == cleared_minor == kept_minor:
        detail = (
            f"{left_minor} left the wallets, {cleared_minor} came to the house's accounts, the"
            f" outside systems have {kept_minor}"
        )
        yield "totals_differ", detail
    if held_minor := sum(wallet.held_minor for wallet in own.wallets):
        yield "still_held", f"{held_minor} are held in the wallets"


def books_differ(owed_minor: Mapping[str, int], outside: OutsideBooks) -> list[Finding]:
    """Return the difference between all we owe the providers of a kind and all that they have.

    Args:
        owed_minor: By kind, as the ledger has it, once all is over.
    """
    return [
        Finding(
            "clearing_differs", None, kind, None, f"we owe {owed}, the providers have {kept_minor}"
        )
        for kind, owed in owed_minor.items()
        if owed != (kept_minor := outside.kept_minor(kind))
    ]


def outcomes(operations: Sequence[OperationRow]) -> Counter[str]:
    """Return how many operations ended how: by status, and failures by their code."""
    return Counter(
        f"{operation.status}: {operation.failure_code}"
        if operation.failure_code and operation.status == "failed"
        else operation.status
        for operation in operations
    )
