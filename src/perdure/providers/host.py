"""What a provider's class is given to work with."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Self

import aiohttp

from perdure.core.clock import Clock, utc_now
from perdure.core.threads import Threads
from perdure.providers.credentials import GrpcSettings, HttpSettings, ProviderSettings
from perdure.providers.http_client import CONNECTIONS_MAX, http_client

if TYPE_CHECKING:
    from perdure.providers.grpc_channel import BlockingGrpcLink, GrpcLink


class ProviderHost:
    """Opens clients, and closes them with the process.

    Args:
        timeout_s: The longest wait for an answer, in seconds.
        connections_max: How many connections there may be to one provider.
        tld: Whose registry it is; empty: it is none.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        connections_max: int = CONNECTIONS_MAX,
        tld: str = "",
        clock: Clock = utc_now,
    ) -> None:
        self.timeout_s = timeout_s
        self.connections_max = connections_max
        self.tld = tld
        self.clock = clock
        self.address = ""
        """Where the provider is, as people are shown it."""
        self._stack = AsyncExitStack()

    def http(self, settings: HttpSettings) -> aiohttp.ClientSession:
        """Open a client of an HTTP API, with its time-outs, that shows the credentials.

        Raises:
            ConfigurationError: The URL is none, or a certificate cannot be used.
        """
        client = http_client(
            settings.url,
            timeout_s=self.timeout_s,
            connections_max=self.connections_max,
            headers=settings.headers(),
            middlewares=settings.middlewares(),
            tls=settings.tls(),
        )
        self.on_close(client.close)
        self._is_at(settings)
        return client

    def grpc(self, settings: GrpcSettings) -> "GrpcLink":
        """Open a channel to a gRPC API, with its deadline, that shows the credentials.

        Raises:
            ConfigurationError: The URL is none, or a certificate cannot be used.
        """
        # What calls nobody by gRPC does without the library.
        from perdure.providers.grpc_channel import grpc_link  # noqa: PLC0415

        link = grpc_link(settings, timeout_s=self.timeout_s)
        self.on_close(link.channel.close)
        self._is_at(settings)
        return link

    def blocking_grpc(self, settings: GrpcSettings) -> "BlockingGrpcLink":
        """Open a channel of gRPC's blocking API, to be used in `threads`; see `grpc`."""
        from perdure.providers.grpc_channel import blocking_grpc_link  # noqa: PLC0415

        link = blocking_grpc_link(settings, timeout_s=self.timeout_s)
        self.on_close(partial(asyncio.to_thread, link.channel.close))
        self._is_at(settings)
        return link

    def threads(self, name: str, at_once_max: int) -> Threads:
        """Return a pool of threads for calls that block; see `Threads`."""
        threads = Threads(name, at_once_max)
        self.on_close(threads.close)
        return threads

    def _is_at(self, settings: ProviderSettings) -> None:
        self.address = self.address or settings.address

    def on_close(self, close: Callable[[], Awaitable[object]]) -> None:
        """Have something closed with the process; the last first."""
        self._stack.push_async_callback(close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what was opened."""
        await self._stack.aclose()
