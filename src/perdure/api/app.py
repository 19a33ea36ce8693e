"""The HTTP application: routes, what surrounds them, and what they work on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.metadata import version
from typing import Final

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from perdure.api import (
    accounts,
    bulks,
    customers,
    flags,
    health,
    idempotency,
    lanes,
    ledger,
    limits,
    operations,
    schedules,
)
from perdure.api.errors import handle
from perdure.api.event_stream import EventStream
from perdure.api.kind_meanings import all_codes, kind_tags
from perdure.api.kind_router import kind_router
from perdure.api.meanings import TAGS
from perdure.api.openapi import describe, operation_id
from perdure.api.request_context import NOT_TOLD, RequestContext
from perdure.api.row_stream import RowStream
from perdure.api.schemas import ErrorBody
from perdure.api.shares import RequestShares
from perdure.api.streams import OpenStreams
from perdure.bootstrap import Platform
from perdure.capabilities import attribute, installed
from perdure.console.router import router as console
from perdure.core.telemetry import telemetry
from perdure.legacy import routes as legacy
from perdure.operations.bulk.lists import purge as purge_lists

log = structlog.get_logger()

_PURGE_INTERVAL_S: Final = 60.0

_DESCRIPTION: Final = """
Business operations that complete, or are undone, exactly once. Amounts are whole numbers of minor
units. `docs/api.md` is the guide.

Errors carry a stable `code`: branch on it. Beside those of a route, any request may be answered
404 `route_not_found`, 405 `method_not_allowed`, and, before it is read whole, 400
`malformed_request`, 408 `request_timeout` or 431 `headers_too_large`. After 429 and 503,
`Retry-After` says when to send the request again. Every answer carries `X-Request-Id`: the
request's own, if it has one.
"""
_SERVERS: Final = [
    {"url": "/", "description": "Where this document comes from."},
    {"url": "http://127.0.0.1:8080", "description": "`perdure up`, at its default port."},
]


def create_app(platform: Platform) -> FastAPI:
    """Return the application; the platform stays its caller's to close."""
    app = routed_app()
    app.state.platform = platform
    settings = platform.settings
    app.state.event_stream = EventStream(platform.pool)
    app.state.row_stream = RowStream(platform.pool)
    app.state.open_streams = OpenStreams(
        streams_max=settings.api_streams_max, per_key_max=settings.api_streams_per_key_max
    )
    app.state.shares = RequestShares(
        customers_per_s=settings.api_requests_per_second_max,
        house_per_s=settings.api_house_requests_per_second_max,
    )
    app.state.is_migrated = False
    app.add_exception_handler(HTTPException, handle)
    app.add_exception_handler(RequestValidationError, handle)
    body_bytes_max = settings.api_body_bytes_max
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=body_bytes_max)
    # Added last, it is outermost.
    app.add_middleware(RequestContext, body_bytes_max=body_bytes_max)
    return app


def routed_app() -> FastAPI:
    """Return an application that has its routes, and nothing yet to work on."""
    # Its documentation page needs nothing from the internet.
    app = FastAPIOffline(
        title="Perdure",
        version=version("perdure"),
        description=_DESCRIPTION,
        openapi_tags=kind_tags() + TAGS,
        servers=_SERVERS,
        responses={"default": {"model": ErrorBody, "description": "Any other error."}},
        generate_unique_id_function=operation_id,
        lifespan=_housekeeping,
        redoc_url=None,
        # A span for each request, where `observability` has traces sent.
        telemetry={
            "operation_spans": False,
            "metrics": False,
            "logs": False,
            "exclude": lambda scope: scope.get("path") in NOT_TOLD,
        },
    )
    for router in _kind_routers(tuple(installed())):
        app.include_router(router)
    for resource in (
        accounts,
        customers,
        ledger,
        operations,
        lanes,
        bulks,
        flags,
        limits,
        schedules,
        legacy,
        health,
    ):
        app.include_router(resource.router)
    app.include_router(console)
    describe(app, all_codes())
    return app


@cache
def _kind_routers(names: tuple[str, ...]) -> list[APIRouter]:
    """Return the routes of kinds: those that every kind has, and its own."""
    routers = []
    for kind in (installed()[name] for name in names):
        if kind.is_created:
            routers.append(kind_router(kind))
        routers += [attribute(place) for place in kind.routes]
    return routers


@asynccontextmanager
async def _housekeeping(app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(_purge_forever(app.state.platform))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _purge_forever(platform: Platform) -> None:
    while True:
        for purge in (idempotency.purge, purge_lists):
            try:
                while await purge(platform.pool):
                    pass
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look tries again
                log.warning("purge_failed", what=purge.__module__, error=repr(error))
                telemetry().report(error, "purge")
        await asyncio.sleep(_PURGE_INTERVAL_S)
