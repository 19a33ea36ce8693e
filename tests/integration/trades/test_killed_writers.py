"""A book's writer killed at any statement: what it leaves is the book of one that never was.

The database is the real one. A kill is a statement that is not sent, or whose answer is not seen,
with the connection cut; whoever writes next begins from the rows. Beside it, a matcher that knows
neither rows nor kills is told the same: the books are to be equal byte for byte.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg
import pytest

from perdure.core.ids import new_id
from perdure.operations.verify import check
from perdure.storage.pool import Pool
from perdure.trades.book.book import Book
from perdure.trades.book.commands import Cancel, Command, Place, Replace, TimeInForce
from perdure.trades.book.journal import encode_snapshot
from perdure.trades.orders import store
from perdure.trades.orders.replaying import go_on
from perdure.trades.orders.verify import INVARIANTS

from .market import Market, writer_of

KILLS = int(os.environ.get("WRITER_KILLS", "40"))
"""A suite has time for each statement, unsent and unseen; `make test-long` takes a thousand."""
STATEMENTS = 20
"""A batch has fewer: what is to happen at a statement that does not come is no kill."""
PEOPLE = ("ada", "bob", "eve", "sal")
FAR_MS = 4_000_000_000_000


@dataclass
class Kill:
    """The end of a process at a statement, counted from 0.

    Args:
        is_sent: The statement is carried out, and its answer not seen.
    """

    statement: int
    is_sent: bool
    begun: int = 0

    @property
    def happened(self) -> bool:
        return self.begun > self.statement

    async def at(self, act: Any, connection: Any, query: str, *rest: Any, **named: Any) -> Any:
        if self.happened:
            raise ConnectionResetError("The process has ended.")
        ends = self.begun == self.statement
        self.begun += 1
        found = await act(connection, query, *rest, **named) if self.is_sent or not ends else None
        if ends:
            connection.terminate()
            raise ConnectionResetError("The process ends here.")
        return found


@contextmanager
def watched(kill: Kill) -> Iterator[None]:
    """Have each statement pass by the kill."""
    execute, prepared = asyncpg.Connection.execute, asyncpg.Connection._execute  # type: ignore[attr-defined]

    async def simple(connection: Any, query: str, *values: Any, **named: Any) -> Any:
        if values:  # it comes by the other way
            return await execute(connection, query, *values, **named)
        return await kill.at(execute, connection, query, **named)

    async def with_values(connection: Any, query: str, *rest: Any, **named: Any) -> Any:
        return await kill.at(prepared, connection, query, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", simple)
        patch.setattr(asyncpg.Connection, "_execute", with_values)
        yield


async def write_until(kill: Kill, market: Market) -> None:
    """Have all that waits be written, until the kill."""
    with watched(kill):
        try:
            await market.write()
        except Exception:
            if not kill.happened:
                raise


async def take_over(market: Market) -> None:
    """Have another process write, as its first is taken for dead."""
    await market.pool.execute(
        "UPDATE instruments SET seen_at = now() - interval '1 hour' WHERE asset = $1", market.asset
    )
    market.writer = writer_of(market.pool, market.asset, new_id("prc"))


@dataclass
class Asked:
    """What a book is asked for: an order, or a request by its id."""

    command: Command
    request_id: str | None = None


@dataclass
class Witnesses:
    """Who knows what the book has to be.

    Attributes:
        alone: A matcher that is told all that is asked for, once.
        replayed: One that is told what the journal says.
    """

    pool: Pool
    asset: str
    alone: Book
    replayed: Book = field(default_factory=Book)

    @classmethod
    async def of(cls, market: Market) -> "Witnesses":
        book, _ = await store.read_book(market.pool, market.asset)
        return cls(market.pool, market.asset, book)

    async def stored(self) -> str:
        """Return the book as its rows have it, once the journal has led to the same."""
        built, _ = await store.read_book(self.pool, self.asset)
        await go_on(self.pool, self.asset, self.replayed)
        assert encode_snapshot(self.replayed.snapshot()) == encode_snapshot(built.snapshot())
        return encode_snapshot(built.snapshot())

    async def told(self, asked: list[Asked]) -> list[str]:
        """Tell the one that is alone; returns how it stood before, and after each."""
        stood = [encode_snapshot(self.alone.snapshot())]
        for one in asked:
            if one.request_id is None or await self._was_the_books(one.request_id):
                self.alone.apply(one.command)
            stood.append(encode_snapshot(self.alone.snapshot()))
        return stood

    async def _was_the_books(self, request_id: str) -> bool:
        """Whether the book had the word on a request, which may lack money or assets."""
        row = await self.pool.fetchrow(
            "SELECT is_answered, sequence FROM order_requests WHERE id = $1", request_id
        )
        assert row is not None
        assert row["is_answered"]
        return row["sequence"] is not None


def place_at_random(random: Random) -> Place:
    time_in_force: TimeInForce = random.choice(("gtc", "gtd", "ioc", "fok"))
    is_gtd = time_in_force == "gtd"
    return Place(
        "",
        random.choice(PEOPLE),
        random.choice(("buy", "sell")),
        random.randint(95, 105),
        random.randint(1, 20),
        0,
        time_in_force,
        is_gtd and random.random() < 0.5,
        random.choice(("expire_taker", "expire_maker", "expire_both", "decrement")),
        FAR_MS if is_gtd else None,
    )


async def ask_at_random(market: Market, random: Random, known: list[str]) -> list[Asked]:
    """Send some orders of all sorts, and have some that are known cancelled or replaced."""
    places = [place_at_random(random) for _ in range(random.randint(1, 4))]
    ids = await asyncio.gather(*(placed(market, one) for one in places))
    known += ids
    asked = [
        Asked(one._replace(order_id=order_id, account_id=market.accounts[one.account_id]))
        for one, order_id in zip(places, ids, strict=True)
    ]
    for _ in range(random.randint(0, 2)):
        which = random.choice(known[-20:])
        command: Command = Cancel(which)
        if random.random() < 0.5:
            command = Replace(which, random.randint(95, 105), random.randint(1, 25))
        asked.append(Asked(command, await market.ask(which, command)))
    return asked


async def placed(market: Market, one: Place) -> str:
    return await market.place(
        one.account_id,
        one.side,
        one.quantity_lots,
        one.price_minor,
        time_in_force=one.time_in_force,
        post_only=one.post_only,
        self_trade=one.self_trade,
        expires_at_ms=one.expires_at_ms,
    )


@pytest.mark.timeout(120 + KILLS * 5)
async def test_a_writer_killed_at_any_point_leaves_the_book_of_one_that_never_was_t2(
    market: Market,
) -> None:
    random, killed, known = Random(14), Counter[tuple[int, bool]](), list[str]()
    for who in PEOPLE:
        await market.account(who, 10**12)
    await market.write()
    witnesses = await Witnesses.of(market)
    number = 0
    while killed.total() < KILLS:
        asked = await ask_at_random(market, random, known)
        kill = Kill(number // 2 % STATEMENTS, is_sent=number % 2 == 1)
        number += 1
        await write_until(kill, market)
        left = await witnesses.stored()
        killed[kill.statement, kill.is_sent] += kill.happened
        await take_over(market)
        if random.random() < 0.2:  # it dies as soon as it has begun
            again = Kill(random.randrange(8), is_sent=random.random() < 0.5)
            await write_until(again, market)
            killed[again.statement, again.is_sent] += again.happened
            await take_over(market)
        await market.write()
        stood = await witnesses.told(asked)
        assert left in stood
        book = market.writer._book
        assert book is not None
        assert encode_snapshot(book.snapshot()) == await witnesses.stored() == stood[-1]
        assert set(market.writer._orders) == {row.order_id for row in book.snapshot().orders}
    assert await check(market.pool, INVARIANTS, limit=10) == []
    assert witnesses.alone.trade_number > KILLS / 2
    print(f"{killed.total()} kills at {len(killed)} points of a batch; {witnesses.alone.sequence}")
