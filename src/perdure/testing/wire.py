"""A wire between a provider's client and its server, that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp
from aiohttp import web

_HOP_BY_HOP: Final = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request on its way.

    Args:
        arrives: The server gets it, and does what it is asked.
        status: The answer, instead of the server's; None: there is none.
        cuts: Without an answer, the connection is cut; otherwise nothing more is heard.
    """

    arrives: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cuts: bool = False


CUT: Final = Fault(cuts=True)
SILENT: Final = Fault()
CUT_AFTER: Final = Fault(arrives=True, cuts=True)
SILENT_AFTER: Final = Fault(arrives=True)


class AnyWire(Protocol):
    """A wire, whatever is spoken over it.

    Attributes:
        url: Its near end.
        requests: How many came there.
    """

    url: str
    requests: int

    def fault(
        self, fault: Fault, *, acts_only: bool = False, spares: str = ""
    ) -> AbstractContextManager[None]:
        """Have something happen to every request while the context is open.

        Args:
            acts_only: Not to those that only ask.
            spares: Not to those of this path.
        """
        ...


class Wire:
    """Passes HTTP requests on, until something is to happen to them.

    Args:
        server: The URL of the provider's server.
        client: For what is passed on.
    """

    def __init__(self, server: str, client: aiohttp.ClientSession) -> None:
        self.url = ""
        self.requests = 0
        self._server = server.rstrip("/")
        self._client = client
        self._fault: Fault | None = None
        self._acts_only = False
        self._spares = ""

    @contextmanager
    def fault(self, fault: Fault, *, acts_only: bool = False, spares: str = "") -> Iterator[None]:
        """Have something happen to every request while the context is open.

        Args:
            acts_only: Not to GETs.
            spares: Not to those of this path.
        """
        self._fault, self._acts_only, self._spares = fault, acts_only, spares
        try:
            yield
        finally:
            self._fault = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, or not."""
        self.requests += 1
        is_spared = (self._acts_only and request.method == "GET") or request.path == self._spares
        fault = None if is_spared else self._fault
        answer = await self._passed_on(request) if fault is None or fault.arrives else None
        if fault is None:
            assert answer is not None
            return answer
        if fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        assert request.transport is not None
        if fault.cuts:
            request.transport.abort()
        else:
            await asyncio.Event().wait()  # until the client gives up
        return web.Response()

    async def _passed_on(self, request: web.Request) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP | {"host"}
        }
        async with self._client.request(
            request.method,
            f"{self._server}{request.raw_path}",
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            kept = {n: v for n, v in answer.headers.items() if n.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@asynccontextmanager
async def open_wire(server: str) -> AsyncIterator[Wire]:
    """Lay a wire to a server; its `url` is what the client is given."""
    async with aiohttp.ClientSession() as client:
        wire = Wire(server, client)
        runner = web.AppRunner(_application(wire), access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            wire.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield wire
        finally:
            await runner.cleanup()


def _application(wire: Wire) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", wire.handle)
    return application
