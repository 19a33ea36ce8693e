"""The streams of pages that change while one looks: parts of them, filled in anew."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp
from perdure.api.row_stream import NEWER_MAX, Look, RowStream, Watched
from perdure.api.schemas import Text
from perdure.api.streams import Events, event, send_events, sends_events
from perdure.console.errors import ConsoleRoute
from perdure.console.filters import Filters
from perdure.console.operation import values_of
from perdure.console.operations import ID, LIST, PAGE
from perdure.console.rendering import fragment
from perdure.console.shown import Shown
from perdure.console.viewers import Viewer, viewer_with
from perdure.core.errors import InvalidInput

router = APIRouter(route_class=ConsoleRoute)

SHOWN: Final = "shown"

Reader = Annotated[Viewer, Depends(viewer_with("operations:read"))]


@router.get("/live/operations", **sends_events("Rows, as they change."))
async def stream_list(request: Request, viewer: Reader) -> Response:
    """Send the rows of a list as they change, and how many are newer."""
    given = dict(request.query_params)
    ids = tuple(name for name in given.pop(SHOWN, "").split(",") if name)
    if len(ids) > PAGE or not all(map(ID.fullmatch, ids)):
        raise InvalidInput("This is no list of the console's.", param=SHOWN)
    filters = Filters.read(given)
    # What is newer than a page in the middle was seen on the pages before it.
    is_first = "first" in given and not filters.wrong
    watched = Watched(
        ids, filters.search if is_first else None, newest=ids[0] if ids and is_first else None
    )
    first = filters.address(LIST)

    async def parts(look: Look) -> str:
        newer = f"{NEWER_MAX}+" if look.newer >= NEWER_MAX else str(look.newer)
        return fragment(
            "live_rows.html",
            look=look,
            rows=[Shown(one) for one in look.changed],
            newer=newer,
            first=first,
            list_path=LIST,
        )

    return send_events(request, viewer.key, _events(request, watched, parts))


@router.get("/live/operations/{operation_id}", **sends_events("An operation, as it goes on."))
async def stream_operation(
    request: Request, operation_id: Text, platform: PlatformOfApp, viewer: Reader
) -> Response:
    """Send what is known of an operation whenever that is more."""
    await platform.operations.get(operation_id)

    async def parts(look: Look) -> str:
        values = await values_of(platform, viewer, operation_id) if look.changed else {}
        return fragment("live_operation.html", look=look, viewer=viewer, **values)

    return send_events(request, viewer.key, _events(request, Watched((operation_id,)), parts))


async def _events(
    request: Request, watched: Watched, parts: Callable[[Look], Awaitable[str]]
) -> Events:
    stream: RowStream = request.app.state.row_stream
    number = 0
    async with aclosing(stream.follow(watched)) as looks:
        async for look in looks:
            number += 1
            yield event(await parts(look), None, number)
