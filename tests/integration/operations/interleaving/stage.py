"""A database in which every row comes from these tests, so that all of it can be checked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perdure.storage.pool import Connection, Pool, open_pool
from tests.servers import migrated_database


@dataclass(frozen=True)
class Stage:
    """Where schedules are played.

    Args:
        observer: A connection that sees who waits for a lock.
    """

    pool: Pool
    observer: Connection


@asynccontextmanager
async def open_stage(postgres_url: str) -> AsyncIterator[Stage]:
    """Open a fresh database, and drop it at the end."""
    async with (
        migrated_database(postgres_url) as url,
        open_pool(url, size=40) as pool,
        pool.acquire() as observer,
    ):
        yield Stage(pool, observer)
