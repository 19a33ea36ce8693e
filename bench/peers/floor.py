"""The floor: the saga's SQL and calls with no engine; nothing resumes what a crash cuts off."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.books import SqlBooks, open_books
from bench.peers.peer import Running, Site
from bench.saga import Saga


@dataclass(slots=True)
class RunningFloor:
    """Runs each saga in the client's own process."""

    books: SqlBooks
    processes: Mapping[str, int] = field(default_factory=dict)

    async def submit(self, saga: Saga) -> str:
        """Carry out the whole saga."""
        return await self.books.carry_out(saga)

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which payments have ended, and when."""
        return await self.books.finished(operation_ids)

    async def violations(self, done: list[Saga], books: Mapping[str, int]) -> list[str]:
        """Compare the effects with what was asked."""
        return await self.books.violations(done, books)


class Floor:
    """Bare transactions."""

    name = "floor"
    durable_steps = 0
    set_up = (
        "The steps' SQL (asyncpg) and HTTP (aiohttp) called one after the other in one Python"
        " process on uvloop, without an engine: what a crash cuts off stays half done."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Open the books."""
        async with open_books(site.database_url, site.provider_url) as books:
            yield RunningFloor(books)
