"""One operation: its story, its steps, what it moved, and all it has to do with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp, log_as_about
from perdure.api.schemas import Text
from perdure.bootstrap import Platform
from perdure.capability.assembly import refundable_kinds
from perdure.console.errors import ConsoleRoute
from perdure.console.operations import LIST
from perdure.console.rendering import HOME, page
from perdure.console.shown import Shown
from perdure.console.story import steps_of, summary, tell
from perdure.console.viewers import Viewer, viewer_with
from perdure.core.errors import NotFound
from perdure.notifications.store import of_operation
from perdure.operations.allowed import Action, next_actions, why_not
from perdure.operations.model import Operation
from perdure.operations.service import OperationService

router = APIRouter(route_class=ConsoleRoute)

WRITE: Final = "operations:write"
_CHAIN_MAX: Final = 20
_ENTRIES_MAX: Final = 200
_LINKS: Final = ("relaunch_of", "relaunched_as", "refund_of", "refunded_by")

Reader = Annotated[Viewer, Depends(viewer_with("operations:read"))]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may be done to an operation.

    Args:
        why_not: Why it cannot be done now; None: it can.
    """

    action: Action
    path: str
    why_not: str | None


def choices_of(operation: Operation, viewer: Viewer) -> list[Choice]:
    """Return what may be done to an operation, by the rules that everybody goes by."""
    refundable = refundable_kinds()
    possible = next_actions(operation, refundable)
    found = []
    for action in Action:
        refusal = why_not(operation, action, refundable)
        reason = refusal.message.removeprefix(f"{operation.id}: ") if refusal else None
        if reason is None and action not in possible:
            reason = "It was asked for already."
        if not viewer.may(WRITE):
            reason = f"{viewer.key.name} may only look: it needs the scope {WRITE}."
        found.append(Choice(action, f"{LIST}/{operation.id}/{action}", reason))
    return found


@router.get("/operations/{operation_id}")
async def show_operation(
    request: Request, operation_id: Text, platform: PlatformOfApp, viewer: Reader
) -> Response:
    """Show an operation, and all that is known of it."""
    values = await values_of(platform, viewer, operation_id)
    log_as_about(values["operation"])
    done = request.query_params.get("done")
    return page(
        request,
        "operation.html",
        viewer,
        **values,
        done=done if done in set(Action) else None,
        live=f"{HOME}/live/operations/{operation_id}",
    )


async def values_of(platform: Platform, viewer: Viewer, operation_id: str) -> dict[str, Any]:
    """Return what the page of an operation is filled in with.

    Raises:
        NotFound: `operation_not_found`.
    """
    report = await platform.operations.report(operation_id)
    operation = report.operation
    sentences = tell(report.trail)
    return {
        "shown": Shown(operation),
        "operation": operation,
        "choices": choices_of(operation, viewer),
        "sentences": sentences,
        "summary": summary(operation.kind, operation.status, sentences),
        "steps": steps_of(report.attempts, report.calls),
        "entries": await _entries(platform, operation),
        "messages": await of_operation(platform.pool, operation.id),
        "chain": await chain_of(platform.operations, operation),
        "list_path": LIST,
    }


async def _entries(platform: Platform, operation: Operation) -> Sequence[object]:
    async with platform.pool.acquire() as connection:
        found = await platform.ledger.list_transfers(
            connection, operation_id=operation.id, limit=_ENTRIES_MAX
        )
    return found[::-1]


async def chain_of(operations: OperationService, operation: Operation) -> list[Shown]:
    """Return the operations that did this one again or gave it back, with itself, oldest first."""
    found = {operation.id: operation}
    left = [operation]
    while left and len(found) < _CHAIN_MAX:
        one = left.pop()
        for link in _LINKS:
            other_id = getattr(one, link)
            if other_id is None or other_id in found:
                continue
            try:
                other = await operations.get(other_id)
            except NotFound:
                continue
            found[other_id] = other
            left.append(other)
    return [Shown(one) for one in sorted(found.values(), key=lambda one: one.created_at)]
