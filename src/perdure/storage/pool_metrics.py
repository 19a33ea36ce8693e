"""How a process's connection pool is, for Prometheus."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from perdure.core import metrics
from perdure.core.metrics import Gauge, Histogram
from perdure.storage.pool import Pool

_LOOK_S: Final = 5.0

SIZE: Final = Gauge("perdure_database_connections_max", "The most connections the process holds.")
OPEN: Final = Gauge("perdure_database_connections_open", "Those that it holds now.")
IN_USE: Final = Gauge("perdure_database_connections_in_use", "Those of them that are in use.")
WAIT: Final = Histogram(
    "perdure_database_connection_wait_seconds",
    "How long somebody who asked for a connection waited for it; one is asked for every 5 s.",
)


@asynccontextmanager
async def measured(pool: Pool) -> AsyncIterator[None]:
    """Measure a pool as long as the context lasts, where metrics are collected."""
    if not metrics.are_collected():
        yield
        return
    measuring = asyncio.create_task(_measure(pool))
    try:
        yield
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


async def _measure(pool: Pool) -> None:
    SIZE.set(pool.get_max_size())
    while True:
        OPEN.set(pool.get_size())
        IN_USE.set(pool.get_size() - pool.get_idle_size())
        began_s = time.monotonic()
        # Where the database is away, who works with it says so.
        with suppress(Exception):
            async with pool.acquire(timeout=_LOOK_S):
                pass
        WAIT.observe(time.monotonic() - began_s)
        await asyncio.sleep(_LOOK_S)
