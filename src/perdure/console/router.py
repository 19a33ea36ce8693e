"""`/console`: the pages of those who look after operations, served by the API's process."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from perdure.console import (
    actions,
    attention,
    live,
    operation,
    operations,
    providers,
    signing_in,
)
from perdure.console.errors import ConsoleRoute
from perdure.console.rendering import HOME, asset, page_not_found
from perdure.console.viewers import Viewer, viewer_with

router = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)

for part in (signing_in, attention, operations, live, operation, actions, providers):
    router.include_router(part.router)


@router.get("")
async def show_home(_viewer: Annotated[Viewer, Depends(viewer_with(None))]) -> Response:
    """Lead to the first page."""
    return RedirectResponse(f"{HOME}/attention", 303)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Send a style sheet or a script."""
    return asset(request, name)


@router.get("/{_path:path}")
async def find_nothing(_path: str) -> Response:
    """Say that there is no such page."""
    raise page_not_found()
