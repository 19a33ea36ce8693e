"""`/v1/operations`: every kind of operation, the same way."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from perdure.api import kind_routes
from perdure.api.acting import ActingOnOne
from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    house_caller_with,
    log_as_about,
    visible_operation,
)
from perdure.api.event_stream import entries_of
from perdure.api.idempotency import KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.kind_meanings import CANCELLING, of_every_kind
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import (
    CorrectionBody,
    OperationCancellation,
    OperationEvent,
    OperationReportView,
    OperationsQuery,
    OperationStatus,
    OperationView,
    StatusesBody,
    Timeline,
    TimelineQuery,
)
from perdure.api.schemas import FailureView, Page, ReasonBody, Text, WholeList
from perdure.api.streams import (
    Events,
    LastEvent,
    event,
    nothing_more,
    send_events,
    sends_events,
)
from perdure.operations.model import Operation, Side, TrailEntry

router = APIRouter(prefix="/v1/operations", tags=["operations"])

Reader = Annotated[ApiKey, Depends(caller_with("operations:read"))]
HouseReader = Annotated[ApiKey, Depends(house_caller_with("operations:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("operations:write"))]


async def _acting(
    request: Request,
    operation_id: Text,
    platform: PlatformOfApp,
    caller: Writer,
    key: KeyOfRequest,
) -> ActingOnOne:
    return ActingOnOne(request, platform, caller, key, operation_id)


OneOf = Annotated[ActingOnOne, Depends(_acting)]

_ACTING: Final = ("operation_not_found", "held_by_house", "reason_required")


@router.get("", openapi_extra=refuses("two_cursors", "other_customer"))
async def list_operations(
    platform: PlatformOfApp, caller: Reader, query: Annotated[OperationsQuery, Query()]
) -> Page[OperationView]:
    """List operations, newest first."""
    return await kind_routes.list_operations(
        platform, caller, query, kind=query.kind, show=OperationView.of, url=router.prefix
    )


@router.get("/{operation_id}", openapi_extra=refuses("operation_not_found"))
async def get_operation(
    operation_id: Text, platform: PlatformOfApp, caller: Reader
) -> OperationView:
    """Return an operation."""
    found = await visible_operation(platform, caller, operation_id)
    return OperationView.of(found, caller.side)


@router.post("/statuses", openapi_extra=refuses("house_only"))
async def list_statuses(
    body: StatusesBody, platform: PlatformOfApp, _caller: HouseReader
) -> WholeList[OperationStatus]:
    """List where many operations stand; those there are none of are left out."""
    found = await platform.operations.statuses(body.ids)
    return WholeList(
        data=[
            OperationStatus(id=name, status=status, failure=FailureView.of(failure))
            for name, (status, failure) in found.items()
        ],
        url=f"{router.prefix}/statuses",
    )


@router.get("/{operation_id}/report", openapi_extra=refuses("house_only", "operation_not_found"))
async def get_report(
    operation_id: Text, platform: PlatformOfApp, _caller: HouseReader
) -> OperationReportView:
    """Return all that is known of an operation: its trail, its steps and its calls."""
    report = await platform.operations.report(operation_id)
    log_as_about(report.operation)
    return OperationReportView.of(report)


@router.get(
    "/{operation_id}/timeline", openapi_extra=refuses("operation_not_found", "invalid_cursor")
)
async def get_timeline(
    operation_id: Text,
    platform: PlatformOfApp,
    caller: Reader,
    query: Annotated[TimelineQuery, Query()],
) -> Timeline:
    """List all that happened to an operation, and every attempt at its steps, oldest first."""
    await visible_operation(platform, caller, operation_id)
    found = await platform.operations.timeline(
        operation_id, after=query.cursor(), limit=query.limit + 1
    )
    return Timeline.of(found, query.limit, f"{router.prefix}/{operation_id}/timeline", caller.side)


@router.get(
    "/{operation_id}/events",
    **sends_events(
        "Events, as they happen.",
        "operation_not_found",
        ends="It is finished, and there is no event beyond Last-Event-ID.",
    ),
)
async def stream_events(
    request: Request,
    operation_id: Text,
    platform: PlatformOfApp,
    caller: Reader,
    after_id: LastEvent,
) -> Response:
    """Send an operation's events as they happen (server-sent events), until it is finished.

    `Last-Event-ID` has them resume where they broke off.
    """
    operation = await visible_operation(platform, caller, operation_id)
    entries = await entries_of(request, platform, operation, after_id)
    if entries is None:
        return nothing_more()
    return send_events(request, caller, _events(entries, caller))


async def _events(entries: AsyncIterator[TrailEntry], caller: ApiKey) -> Events:
    async for entry in entries:
        shown = OperationEvent.of(entry, caller.side)
        yield event(shown.model_dump_json(), "operation_event", entry.id)


def _show_cancelled(reason: str, operation: Operation, side: Side) -> OperationCancellation:
    return OperationCancellation(
        accepted=True, reason=reason, operation=OperationView.of(operation, side)
    )


@router.post(
    "/{operation_id}/cancel",
    response_model=OperationCancellation,
    openapi_extra=refuses("operation_not_found", *CANCELLING),
)
async def cancel_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Ask an operation to stop, and have what it did undone; asking again changes nothing."""
    return await acting.cancel(body.reason, _show_cancelled)


@router.post(
    "/{operation_id}/resume",
    response_model=OperationView,
    openapi_extra=refuses(*_ACTING, "not_parked"),
)
async def resume_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Have an operation that needs attention go on from the step it stopped at."""
    return await acting.do(acting.actions.resume, body.reason)


@router.post(
    "/{operation_id}/relaunch",
    response_model=OperationView,
    openapi_extra=refuses(
        *_ACTING,
        "not_relaunchable",
        "already_relaunched",
        "already_refunded",
        "not_supported",
        *of_every_kind("create"),
    ),
)
async def relaunch_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Have one that got stuck go on; do one that failed again, as a new operation, which answers.

    Once only: the one that failed shows the new one as `relaunched_as`.
    """
    return await acting.do(acting.actions.relaunch, body.reason)


@router.post(
    "/{operation_id}/refund",
    response_model=OperationView,
    openapi_extra=refuses(*_ACTING, *of_every_kind("refund")),
)
async def refund_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Have what an operation took given back; the refund answers, also when asked for again."""
    return await acting.do(acting.actions.refund, body.reason)


@router.post(
    "/{operation_id}/park",
    response_model=OperationView,
    openapi_extra=refuses(*_ACTING, "not_parkable", "already_parked"),
)
async def park_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Hold an operation before its next step, until it is released."""
    return await acting.do(acting.actions.park, body.reason)


@router.post(
    "/{operation_id}/release",
    response_model=OperationView,
    openapi_extra=refuses(*_ACTING, "not_parked", "being_undone"),
)
async def release_operation(acting: OneOf, body: ReasonBody) -> Response:
    """Have an operation go on that somebody parked."""
    return await acting.do(acting.actions.release, body.reason)


@router.post(
    "/{operation_id}/correct",
    response_model=OperationView,
    openapi_extra=refuses(
        *_ACTING,
        "not_parked",
        "being_undone",
        "not_supported",
        "field_not_correctable",
        "field_fixed",
        "nothing_to_correct",
        *of_every_kind("create"),
    ),
)
async def correct_operation(acting: OneOf, body: CorrectionBody) -> Response:
    """Change what was asked for, of an operation that is parked; its finished steps stay done."""
    return await acting.do(acting.actions.correct, body.reason, body.patch, go_on=body.go_on)
