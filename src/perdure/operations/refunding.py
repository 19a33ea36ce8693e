"""What can be given back of operations that have succeeded; each kind declares its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from perdure.core.errors import PerdureError
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.operations.model import FINISHED, By, Failure, Operation, Status
from perdure.storage.pool import Connection

NOT_REFUNDABLE = "not_refundable"


@dataclass(frozen=True, slots=True)
class RefundTerms:
    """What a refund moves back, and who has to do it first.

    Args:
        account_id: The customer's account, which gets the money.
        taken_by: The account that the money went to.
        provider: As in its queue's name.
    """

    account_id: str
    taken_by: str
    amount_minor: int
    currency: str
    provider: str


def all_that_was_asked(
    taken_by: SystemAccount, provider: str
) -> Callable[[Operation], RefundTerms]:
    """Return the terms of a kind that gives back all that the request said.

    Args:
        taken_by: The house's account that the money went to.
    """

    def terms(operation: Operation) -> RefundTerms:
        request = operation.input["request"]
        currency = request["currency"]
        return RefundTerms(
            account_id=request["account_id"],
            taken_by=system_account_id(taken_by, currency),
            amount_minor=request["amount_minor"],
            currency=currency,
            provider=provider,
        )

    return terms


Hook = Callable[[Connection, Operation, str], Awaitable[None]]
"""Writes with a refund; given the operation that is refunded, and the refund's id."""

RecordHook = Callable[[Connection, Operation, str, Mapping[str, str]], Awaitable[None]]
"""As `Hook`; given the provider's answer too."""


async def _nothing(_: Connection, __: Operation, ___: str) -> None: ...


async def _nothing_recorded(
    _: Connection, __: Operation, ___: str, ____: Mapping[str, str]
) -> None: ...


@dataclass(frozen=True, slots=True)
class RefundableKind:
    """How the operations of a kind are refunded, on our side.

    Args:
        name: As in `operations.kind`.
        terms: What is given back; raises `Refused` where nothing can be.
        told: The field of the request that says who is told.
        claim: What else commits with the acceptance of a refund; what it raises refuses it.
        record: What else commits with its success.
        release: What else commits with its end, where it did not succeed.
        final_refusals: The provider's answers that would be the same at any later time.
    """

    name: str
    terms: Callable[[Operation], RefundTerms]
    told: str
    claim: Hook = _nothing
    record: RecordHook = _nothing_recorded
    release: Hook = _nothing
    final_refusals: frozenset[str] = field(default_factory=frozenset)


class Refunds(Protocol):
    """What operators' actions need, to have operations refunded."""

    @property
    def kinds(self) -> Mapping[str, RefundableKind]:
        """The kinds that can be, by name."""
        ...

    async def accept(self, connection: Connection, operation: Operation, by: By) -> Operation:
        """Store the refund of a locked operation that has none and may have one; returns it.

        Raises:
            Refused, Conflict: Something beside the operation stands in the way.
        """
        ...


def why_not_refunded(operation: Operation, kinds: Mapping[str, RefundableKind]) -> Failure | None:
    """Return why an operation cannot be refunded; None: it can, or has its refund already."""
    if operation.refund_of is not None:
        return _no(f"It is the refund of {operation.refund_of}, and not refunded itself.")
    if (kind := kinds.get(operation.kind)) is None:
        return _no(f"It is a {operation.kind}; those are not refunded.")
    if operation.status != Status.SUCCEEDED:
        instead = "" if operation.status in FINISHED or operation.is_reversing else " Cancel it."
        return _no(f"It is {operation.status}; only what has succeeded is refunded.{instead}")
    if operation.refund_refusal is not None:
        return operation.refund_refusal
    try:
        kind.terms(operation)
    except PerdureError as error:
        return Failure(error.code, error.message)
    return None


def refund_instead(operation: Operation, kinds: Mapping[str, RefundableKind]) -> str:
    """Return what is said of a refund to somebody who would cancel what has succeeded."""
    if not kinds:
        return ""
    if operation.refunded_by is not None:
        return f" Its refund is {operation.refunded_by}."
    refusal = why_not_refunded(operation, kinds)
    return f" It cannot be refunded: {refusal.message}" if refusal else " It can be refunded."


def _no(reason: str) -> Failure:
    return Failure(NOT_REFUNDABLE, reason)
