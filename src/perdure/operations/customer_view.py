"""What a customer sees of its operations: nothing of who acts for the house, why, or in which bulk.

What its own keys did is shown whole, and so is what the platform does by itself (`system`), unless
that repeats what somebody gave as a reason.
"""

from dataclasses import replace
from typing import Any, Final

from perdure.core.errors import OperationCancelled, OperationParked
from perdure.operations.model import (
    CancelRequest,
    Failure,
    Operation,
    ParkRequest,
    Side,
    Status,
    StepAttempt,
    TrailEntry,
    side_of,
)
from perdure.operations.store import SYSTEM

_HOUSE: Final = Side.HOUSE.value
"""The actor that a customer is shown, whoever of the house it was."""

_HELD: Final = "The house holds it."
_CANCELLED: Final = "It was cancelled."
_TOLD_OF_HOUSE: Final = frozenset({"relaunch_of", "relaunched_as", "refund", "refund_of"})
"""What a customer may know of the data of an entry of the house's: its own operations' ids."""

_REPEATS_A_REASON: Final = frozenset({"refunded", "refund_cancelled", "left_standing"})
"""Entries of the system's own whose reason is, or holds, what somebody gave as theirs."""


def operation_seen_by(side: Side, operation: Operation) -> Operation:
    """Return an operation as a side may see it."""
    if side == Side.HOUSE:
        return operation
    cancel, park = operation.cancel_request, operation.park_request
    return replace(
        operation,
        # A refund's request holds the reason of who asked for it, who may be of the house.
        input=operation.input | {"request": _without(operation.input["request"], "reason")},
        failure=_failure_seen(operation),
        cancel_request=CancelRequest(_HOUSE, "", cancel.requested_at)
        if cancel and _is_hidden(cancel.actor)
        else cancel,
        park_request=ParkRequest(_HOUSE, "", park.requested_at, park.status)
        if park and _is_hidden(park.actor)
        else park,
    )


def entry_seen_by(side: Side, entry: TrailEntry) -> TrailEntry:
    """Return an entry of a trail as a side may see it."""
    if side == Side.HOUSE or side_of(entry.actor) == Side.CUSTOMER:
        return entry
    if entry.actor == SYSTEM:
        repeats = entry.status == Status.CANCELLED or entry.action in _REPEATS_A_REASON
        return replace(entry, reason=None) if repeats else entry
    told = {name: value for name, value in (entry.data or {}).items() if name in _TOLD_OF_HOUSE}
    return replace(entry, actor=_HOUSE, reason=None, data=told or None, request_id=None)


def attempt_seen_by(side: Side, attempt: StepAttempt) -> StepAttempt:
    """Return an attempt at a step as a side may see it."""
    error = attempt.error
    if side == Side.HOUSE or error is None:
        return attempt
    # Both tell what somebody gave as a reason.
    told = {OperationParked.code: _HELD, OperationCancelled.code: _CANCELLED}.get(error["code"])
    return replace(attempt, error=error | {"message": told}) if told else attempt


def _failure_seen(operation: Operation) -> Failure | None:
    failure, park, cancel = operation.failure, operation.park_request, operation.cancel_request
    if failure is None:
        return None
    if failure.code == OperationParked.code and (park is None or _is_hidden(park.actor)):
        return replace(failure, message=_HELD)
    if failure.code == OperationCancelled.code and (cancel is None or _is_hidden(cancel.actor)):
        return replace(failure, message=_CANCELLED)
    return failure


def _is_hidden(actor: str) -> bool:
    return actor != SYSTEM and side_of(actor) == Side.HOUSE


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
