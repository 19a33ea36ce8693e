"""`/v1/bulks`: one action on many operations."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from perdure.api.acting import Acting
from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.bulk_schemas import (
    BulkBody,
    BulkItemsQuery,
    BulkItemView,
    BulkListBody,
    BulkListView,
    BulkPreviewView,
    BulkRateBody,
    BulksQuery,
    BulkUndoBody,
    BulkView,
)
from perdure.api.idempotency import Answer, KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, ReasonBody, Text, page_of
from perdure.operations.bulk import lists, store
from perdure.operations.bulk.actions import bulk_action
from perdure.operations.bulk.model import Bulk, BulkProgress
from perdure.storage.pool import Connection, Pool

router = APIRouter(prefix="/v1/bulks", tags=["bulks"])

Reader = Annotated[ApiKey, Depends(house_caller_with("bulk:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("bulk:write"))]


async def _acting(
    request: Request, platform: PlatformOfApp, caller: Writer, key: KeyOfRequest
) -> Acting:
    return Acting(request, platform, caller, key)


OnBulks = Annotated[Acting, Depends(_acting)]

_CHANGING: Final = ("house_only", "bulk_not_found", "reason_required")
_SELECTING: Final = (
    "nothing_selected",
    "confirmation_required",
    "count_changed",
    "invalid_rate",
    "reason_required",
)


@router.post(
    "",
    status_code=201,
    response_model=BulkView,
    responses={200: {"model": BulkPreviewView, "description": "Of a dry run."}},
    openapi_extra=refuses(
        "house_only", "unknown_action", "bulk_list_not_found", "bulk_list_taken", *_SELECTING
    ),
)
async def create_bulk(body: BulkBody, acting: OnBulks) -> Response:
    """Act on many operations; or, as a dry run, tell which these are."""
    new = body.to_bulk()
    bulk_action(new.action).check(new.arguments)
    bulks = acting.platform.bulks
    if body.dry_run:
        preview = await bulks.preview(new.selection)
        return Answer.of(200, BulkPreviewView.of(preview)).response()
    return await _accept_once(
        acting, lambda connection: bulks.accept(connection, new, actor=acting.caller.actor)
    )


@router.post(
    "/lists", status_code=201, response_model=BulkListView, openapi_extra=refuses("house_only")
)
async def create_list(acting: OnBulks) -> Response:
    """Begin a list of more ids than one request takes, for a bulk to be about.

    Nothing is done to what it names until a bulk is made of it, within a day.
    """

    async def act(connection: Connection) -> Answer:
        created = await lists.create(connection, actor=acting.caller.actor)
        return Answer.of(201, BulkListView.of(created))

    return await acting.answer(act)


@router.post(
    "/lists/{list_id}/ids",
    openapi_extra=refuses("house_only", "bulk_list_not_found", "bulk_list_taken"),
)
async def add_to_list(
    list_id: Text, body: BulkListBody, platform: PlatformOfApp, _caller: Writer
) -> BulkListView:
    """Add ids to a list, in the order in which they are to be acted on; again changes nothing."""
    return BulkListView.of(await platform.bulks.add_to_list(list_id, body.ids))


@router.get("", openapi_extra=refuses("house_only"))
async def list_bulks(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[BulksQuery, Query()]
) -> Page[BulkView]:
    """List bulks, newest first."""
    found = await platform.bulks.find(
        status=query.status, starting_after=query.starting_after, limit=query.limit + 1
    )
    progress = await platform.bulks.progress([bulk.id for bulk in found])
    return page_of(
        found, query.limit, lambda bulk: BulkView.of(bulk, progress[bulk.id]), router.prefix
    )


@router.get("/{bulk_id}", openapi_extra=refuses("house_only", "bulk_not_found"))
async def get_bulk(bulk_id: Text, platform: PlatformOfApp, _caller: Reader) -> BulkView:
    """Return a bulk, and how far it is."""
    return await _shown(platform.pool, bulk_id)


@router.get("/{bulk_id}/items", openapi_extra=refuses("house_only", "bulk_not_found"))
async def list_items(
    bulk_id: Text,
    platform: PlatformOfApp,
    _caller: Reader,
    query: Annotated[BulkItemsQuery, Query()],
) -> Page[BulkItemView]:
    """List what became of each operation, in the order in which they are acted on."""
    found = await platform.bulks.items(
        bulk_id, state=query.state, after_number=query.starting_after, limit=query.limit + 1
    )
    return page_of(found, query.limit, BulkItemView.of, f"{router.prefix}/{bulk_id}/items")


@router.post(
    "/{bulk_id}/pause",
    response_model=BulkView,
    openapi_extra=refuses(*_CHANGING, "not_parkable", "already_parked"),
)
async def pause_bulk(bulk_id: Text, body: ReasonBody, acting: OnBulks) -> Response:
    """Hold a bulk: nothing further is acted on until it is resumed."""
    action = acting.platform.bulks.pause
    return await _act_once(acting, action, bulk_id, acting.by(body.reason))


@router.post(
    "/{bulk_id}/resume",
    response_model=BulkView,
    openapi_extra=refuses(*_CHANGING, "not_parked", "being_undone"),
)
async def resume_bulk(bulk_id: Text, body: ReasonBody, acting: OnBulks) -> Response:
    """Have a bulk go on that was paused."""
    action = acting.platform.bulks.resume
    return await _act_once(acting, action, bulk_id, acting.by(body.reason))


@router.post(
    "/{bulk_id}/stop",
    response_model=BulkView,
    openapi_extra=refuses(*_CHANGING, "not_cancellable"),
)
async def stop_bulk(bulk_id: Text, body: ReasonBody, acting: OnBulks) -> Response:
    """End a bulk where it is: what it did stays done, and the rest is skipped."""
    action = acting.platform.bulks.stop
    return await _act_once(acting, action, bulk_id, acting.by(body.reason))


@router.post(
    "/{bulk_id}/rate",
    response_model=BulkView,
    openapi_extra=refuses(*_CHANGING, "bulk_ended", "invalid_rate"),
)
async def change_rate(bulk_id: Text, body: BulkRateBody, acting: OnBulks) -> Response:
    """Change how many operations a bulk acts on a second; it keeps to it within a second."""
    action = acting.platform.bulks.set_rate
    return await _act_once(acting, action, bulk_id, body.rate_per_s, acting.by(body.reason))


@router.post(
    "/{bulk_id}/undo",
    status_code=201,
    response_model=BulkView,
    openapi_extra=refuses(*_CHANGING, "not_undoable", "bulk_under_way", *_SELECTING),
)
async def undo_bulk(bulk_id: Text, body: BulkUndoBody, acting: OnBulks) -> Response:
    """Do the inverse to what a bulk acted on, as a new bulk, which answers."""
    return await _accept_once(
        acting,
        lambda connection: acting.platform.bulks.undo(
            connection,
            bulk_id,
            acting.by(body.reason),
            rate_per_s=body.rate_per_s,
            confirm_count=body.confirm_count,
        ),
    )


async def _act_once(
    acting: Acting, action: Callable[..., Awaitable[Bulk]], bulk_id: str, *given: object
) -> Response:
    return await acting.once(
        lambda also: action(bulk_id, *given, also=also),
        lambda connection, _: _shown(connection, bulk_id),
    )


async def _shown(connection: Connection | Pool, bulk_id: str) -> BulkView:
    bulk = await store.get(connection, bulk_id)
    return BulkView.of(bulk, await store.progress_of(connection, bulk_id))


async def _accept_once(acting: Acting, accept: Callable[[Connection], Awaitable[Bulk]]) -> Response:
    accepted: list[Bulk] = []

    async def act(connection: Connection) -> Answer:
        bulk = await accept(connection)
        accepted.append(bulk)
        return Answer.of(201, BulkView.of(bulk, BulkProgress()))

    response = await acting.answer(act)
    for bulk in accepted:
        await acting.platform.bulks.begin(bulk)
    return response
