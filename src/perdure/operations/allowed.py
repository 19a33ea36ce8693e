"""What can be done to an operation as it stands; decided here alone, without effects."""

from collections.abc import Mapping
from enum import StrEnum

from perdure.core.errors import Conflict
from perdure.operations.cancellation import HELD_BY_HOUSE, why_not_cancelled
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import NOT_INSTALLED, Operation, Side, Status, side_of
from perdure.operations.refunding import RefundableKind, why_not_refunded


class Action(StrEnum):
    """What operators and customers do to one operation."""

    RELAUNCH = "relaunch"
    """Go on from where it got stuck; or, if it failed, do it again as a new operation."""
    RELEASE = "release"
    """Go on with what an operator parked."""
    CORRECT = "correct"
    """Change what was asked for, while it is parked."""
    PARK = "park"
    """Hold it before its next step."""
    CANCEL = "cancel"
    """Stop it, and have what it did undone."""
    REFUND = "refund"
    """Give back what it took, once it has succeeded."""


def next_actions(
    operation: Operation,
    refundable: Mapping[str, RefundableKind] | None = None,
    *,
    side: Side = Side.HOUSE,
) -> list[Action]:
    """Return what can be done to an operation now and would change something.

    Args:
        refundable: The kinds that can be refunded.
        side: Whose side is to act.
    """
    changes_nothing = {
        Action.CANCEL: operation.cancel_request is not None,
        Action.REFUND: operation.refunded_by is not None,
    }
    return [
        action
        for action in Action
        if why_not(operation, action, refundable, side=side) is None
        and not changes_nothing.get(action)
    ]


def why_not(
    operation: Operation,
    action: Action | None,
    refundable: Mapping[str, RefundableKind] | None = None,
    *,
    side: Side = Side.HOUSE,
) -> Conflict | None:
    """Return why an action cannot be done to an operation now; None: it can.

    Args:
        action: None: any; all that is asked is who holds it.
        refundable: The kinds that can be refunded.
        side: Whose side is to act.
    """
    reason: str | None = None
    code = ""
    if side == Side.CUSTOMER and operation.is_held_by_house:
        reason, code = HELD_BY_HOUSE, "held_by_house"
    elif operation.is_not_installed and action not in (Action.CANCEL, Action.PARK, Action.REFUND):
        assert operation.failure is not None
        reason, code = operation.failure.message, NOT_INSTALLED
    elif action is None:
        pass
    elif action == Action.REFUND:
        refusal = why_not_refunded(operation, refundable or {})
        reason, code = (refusal.message, refusal.code) if refusal else (None, "")
    elif action == Action.CANCEL:
        reason = why_not_cancelled(operation, refundable)
        code = "not_cancellable"
    elif action == Action.RELAUNCH:
        reason, code = _why_not_relaunched(operation)
    elif action == Action.PARK:
        reason, code = _why_not_parked(operation, side)
    else:
        reason, code = _why_not_changed(operation, action)
    return Conflict(f"{operation.id}: {reason}", code=code, param="id") if reason else None


def _why_not_relaunched(operation: Operation) -> tuple[str | None, str]:
    code = "not_relaunchable"
    if operation.relaunched_as is not None:
        return f"It was relaunched already, as {operation.relaunched_as}.", "already_relaunched"
    if operation.status in (Status.NEEDS_ATTENTION, Status.FAILED, Status.CANCELLED):
        return None, code
    if operation.status == Status.SUCCEEDED:
        return "It has succeeded; there is nothing to do again.", code
    if operation.is_reversing:
        return "It is being undone; when it has failed it can be relaunched.", code
    return f"It is {operation.status} and goes on by itself; park it first to intervene.", code


def _why_not_parked(operation: Operation, side: Side) -> tuple[str | None, str]:
    code = "not_parkable"
    if operation.is_finished:
        return f"It has already {operation.status}.", code
    if operation.lane == ELSEWHERE:
        return "The system before this one carries it out; move it here first.", code
    park = operation.park_request
    # What a customer holds the house may take over: then the customer cannot lift it.
    if park is not None and (side == Side.CUSTOMER or side_of(park.actor) == Side.HOUSE):
        return f"{park.actor} has parked it already.", "already_parked"
    if operation.is_reversing or operation.cancel_request is not None:
        return "It is being undone, and that is not held up.", code
    if operation.status == Status.NEEDS_ATTENTION and park is None:
        return "It needs attention, and does not go on before it is relaunched.", "already_parked"
    return None, code


def _why_not_changed(operation: Operation, action: Action) -> tuple[str | None, str]:
    """Return why a parked operation cannot be released, or corrected."""
    code = "not_parked"
    if operation.is_finished:
        return f"It has already {operation.status}.", code
    if operation.status != Status.NEEDS_ATTENTION:
        return f"It is {operation.status}, not parked.", code
    if action == Action.RELEASE and operation.park_request is None:
        return "No operator parked it; relaunch it once the cause is removed.", code
    if operation.is_reversing or operation.cancel_request is not None:
        return "It is being undone; relaunch it to go on with that.", "being_undone"
    return None, code


def status_to_go_on_in(operation: Operation) -> Status:
    """Return the status that a parked operation takes when it goes on."""
    if operation.is_reversing:
        return Status.REVERSING
    park = operation.park_request
    waits = park is not None and park.status in (Status.PENDING, Status.WAITING)
    return park.status if park is not None and waits else Status.PROCESSING
