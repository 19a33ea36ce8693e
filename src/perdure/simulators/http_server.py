"""What the simulators' HTTP sides have in common."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol, TypeVar

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.errors import ConfigurationError
from perdure.core.identity import Identity
from perdure.core.ports import HeldPort, hold_port
from perdure.core.telemetry import telemetry

PAGE_MAX: Final = 1000
_KEEP_ALIVE_S: Final = 75
"""Longer than clients keep idle connections, so that they never meet one being closed."""


class Listed(Protocol):
    """Something that lists can be paged by."""

    @property
    def id(self) -> str:
        """Its identifier."""
        ...


Item = TypeVar("Item", bound=Listed)


class HttpServer(uvicorn.Server):
    """A server inside a running loop; its owner handles the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        # uvicorn's own main loop does this, to keep the date.
        self.server_state.default_headers = self.config.encoded_headers
        self.ready.set()

    async def main_loop(self) -> None:
        """Wait for the end, without looking ten times a second whether it has come."""
        await self.stopping.wait()

    async def refuse_connections(self, for_s: float) -> None:
        """Close every connection, and listen to nobody for a while."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        await asyncio.sleep(for_s)
        await self.startup([listen(host, port)])


@asynccontextmanager
async def serve_http(
    routes: Sequence[Route], *, host: str, port: int, identity: Identity | None = None
) -> AsyncIterator[int]:
    """Serve routes and `GET /healthz` while the context is open; yields the port.

    Args:
        routes: What is served.
        host: The address to listen at.
        port: The port; 0: any that is free.
        identity: Who serves, told with every answer.

    Raises:
        ConfigurationError: The port is taken.
    """
    app = Starlette(routes=[*routes, Route("/healthz", _healthz)], middleware=_middleware())
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        headers=[identity.header] if identity else [],
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    app.state.server = server = HttpServer(config)
    # Nobody else is given the port while connections are refused.
    with _hold(host, port) as held:
        serving = asyncio.create_task(server.serve(sockets=[listen(host, held.number)]))
        try:
            await server.ready.wait()
            yield held.number
        finally:
            server.stopping.set()
            await serving


def _middleware() -> list[Middleware]:
    """Return what has the server's spans be parts of its callers' traces, where there are any."""
    if not telemetry().traces:
        return []
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware  # noqa: PLC0415

    return [Middleware(OpenTelemetryMiddleware, excluded_urls="/healthz")]


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ConfigurationError: The port is taken.
    """
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    # Connections inherit it. asyncio sets it only where the protocol is named, which it is not
    # here; without it every answer in two writes waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _hold(host: str, port: int) -> HeldPort:
    try:
        return hold_port(host, port)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"Nothing can listen at {host}:{port}: {error.strerror}. Choose another port, or stop"
        " what uses it.",
        param="port",
    )


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def refuse(
    status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as Stripe writes it."""
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def invalid(error: ValidationError) -> Response:
    """Return a 400 that names the field at fault."""
    first = error.errors(include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return refuse(400, "invalid_request", f"{where}: {first['msg']}")


def unavailable() -> Response:
    """Return a 503, which says nothing about what was done."""
    return refuse(503, "unavailable", "The service is not available.")


def rate_limited(retry_after_s: int = 1) -> Response:
    """Return a 429, which says that nothing was done."""
    headers = {"Retry-After": str(retry_after_s)}
    return refuse(429, "rate_limited", "Too many requests.", headers=headers)


def page(request: Request, items: Sequence[Item], view: Callable[[Item], object]) -> Response:
    """Return a part of a list: `?limit=100&starting_after=<id>`, the oldest first."""
    try:
        limit = min(max(int(request.query_params.get("limit", "100")), 1), PAGE_MAX)
    except ValueError:
        return refuse(400, "invalid_limit", "limit must be a whole number.")
    first = 0
    if after := request.query_params.get("starting_after"):
        found = next((place for place, item in enumerate(items) if item.id == after), None)
        if found is None:
            return refuse(400, "invalid_cursor", f"There is nothing with the id {after!r}.")
        first = found + 1
    return JSONResponse(
        {
            "data": [view(item) for item in items[first : first + limit]],
            "has_more": len(items) > first + limit,
        }
    )


def cut_connection(request: Request) -> None:
    """Reset a request's connection, so that no answer reaches its client."""
    for connection in list(request.app.state.server.server_state.connections):
        if connection.client == request.scope["client"]:
            connection.transport.abort()


async def until_client_gives_up(request: Request) -> None:
    """Wait until the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
