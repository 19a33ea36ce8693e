"""What a provider's class is given to work with."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self

import aiohttp

from perdure.core.clock import Clock, utc_now
from perdure.providers.credentials import HttpSettings
from perdure.providers.http_client import CONNECTIONS_MAX, http_client


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
        scheme, _, rest = settings.url.partition("://")
        self.address = self.address or f"{scheme}://{rest.rpartition('@')[2]}"
        return client

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
