"""The rows that orders leave, written by bare SQL: the floor of what keeping them costs.

Into empty tables of the same form, with the same indexes, in as many commits at a time as there are
books, each of all that waits for one. Nothing is looked at, decided, held or matched.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from perdure.storage.pool import Pool, transaction

TABLES: Final = (
    *("orders", "order_journal", "ledger_transfers", "ledger_open_holds"),
    *("operations", "operation_trail"),
)
"""What an order, and the trades that it makes, are kept in."""

Waiting = tuple[int, asyncio.Future[None]]


class BareOrders:
    """Writes again what a run of orders has left.

    Args:
        rows: All of it, by table; each order has its share of each.
        count: How many orders that were.
        lanes: How many commits are under way at a time.
    """

    def __init__(
        self, pool: Pool, rows: Mapping[str, Sequence[asyncpg.Record]], count: int, lanes: int
    ) -> None:
        self._pool = pool
        self._rows = rows
        self._count = count
        self._queues: list[asyncio.Queue[Waiting]] = [asyncio.Queue() for _ in range(lanes)]
        self._inserts: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have empty tables, and write while the context is open."""
        for table in self._rows:
            await self._pool.execute(f"DROP TABLE IF EXISTS bare_{table}")
            await self._pool.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            self._inserts[table] = await self._insert(table)
        writing = [asyncio.create_task(self._write_all(queue)) for queue in self._queues]
        try:
            yield
        finally:
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)

    async def place(self, number: int) -> None:
        """Have an order's rows be written; returns once they are committed."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues[number % len(self._queues)].put_nowait((number % self._count, written))
        await written

    async def _write_all(self, queue: asyncio.Queue[Waiting]) -> None:
        while True:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            try:
                await self._write([number for number, _ in batch])
            except asyncpg.PostgresError as error:
                for _, written in batch:
                    written.set_exception(error)
                continue
            for _, written in batch:
                written.set_result(None)

    async def _write(self, numbers: Sequence[int]) -> None:
        async with transaction(self._pool) as connection:
            for table, rows in self._rows.items():
                part = [row for number in numbers for row in self._share(rows, number)]
                if part:
                    await connection.execute(self._inserts[table], *zip(*part, strict=True))

    def _share(self, rows: Sequence[asyncpg.Record], number: int) -> Sequence[asyncpg.Record]:
        first, last = (len(rows) * at // self._count for at in (number, number + 1))
        return rows[first:last]

    async def _insert(self, table: str) -> str:
        kinds = await self._pool.fetch(
            "SELECT format_type(atttypid, NULL) AS kind FROM pg_attribute"
            " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            table,
        )
        arrays = ", ".join(f"${at}::{row['kind']}[]" for at, row in enumerate(kinds, start=1))
        return f"INSERT INTO bare_{table} OVERRIDING SYSTEM VALUE SELECT * FROM unnest({arrays})"
