"""A book's writer killed at any statement, or overtaken: what is committed is what one would have.

The database is the real one; a kill is a statement that is not sent, or whose answer is not seen.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import asyncpg
import pytest

from perdure.core.ids import new_id
from perdure.operations.model import Operation
from perdure.operations.verify import check
from perdure.trades.orders import store
from perdure.trades.orders.verify import INVARIANTS
from perdure.trades.orders.writer import AssetWriter

from .market import Market, writer_of

STATEMENTS_MAX = 60


class Killed(Exception):
    """The process ends here."""


@contextmanager
def killed_at(statement: int, *, is_sent: bool) -> Iterator[list[str]]:
    """Have the process end at a statement, counted from 0; gives those that were begun."""
    begun: list[str] = []
    execute, prepared = asyncpg.Connection.execute, asyncpg.Connection._execute  # type: ignore[attr-defined]

    async def at(act: Any, connection: Any, query: str, *rest: Any, **named: Any) -> Any:
        if query.startswith("ROLLBACK"):
            return await act(connection, query, *rest, **named)
        begun.append(query)
        if len(begun) - 1 == statement and not is_sent:
            raise Killed
        found = await act(connection, query, *rest, **named)
        if len(begun) - 1 == statement:
            raise Killed
        return found

    async def simple(connection: Any, query: str, *values: Any, **named: Any) -> Any:
        if values:  # it comes by the other way
            return await execute(connection, query, *values, **named)
        return await at(execute, connection, query, **named)

    async def with_values(connection: Any, query: str, *rest: Any, **named: Any) -> Any:
        return await at(prepared, connection, query, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", simple)
        patch.setattr(asyncpg.Connection, "_execute", with_values)
        yield begun


async def crowd(market: Market) -> None:
    """Have orders wait that fill, rest, are replaced and cancelled."""
    await market.account("ada", 10_000)
    await market.account("bob", 10_000)
    await market.place("sal", "sell", 5, 90)
    await market.place("sal", "sell", 5, 95)
    await market.write()
    partly = await market.place("ada", "buy", 7, 100)
    resting = await market.place("bob", "buy", 10, 80)
    await market.cancel(partly)
    await market.replace(resting, 4, 70)


async def looks_right(market: Market) -> None:
    assert await check(market.pool, INVARIANTS, limit=10) == []
    assert (
        await market.pool.fetchval(
            "SELECT count(*) FROM operations WHERE input->'request'->>'asset' = $1", market.asset
        )
        == 2
    )
    assert await market.available("ada") == 10_000 - 5 * 90 - 2 * 95 - 6
    assert await market.available("bob") == 10_000 - 4 * 70 - 3


@pytest.mark.parametrize("is_sent", [False, True], ids=["unsent", "unseen"])
async def test_a_writer_killed_at_any_statement_leaves_what_the_next_one_goes_on_from_t2(
    market: Market, *, is_sent: bool
) -> None:
    for statement in range(STATEMENTS_MAX):
        other = await Market.open(market.pool)
        await crowd(other)
        with killed_at(statement, is_sent=is_sent) as begun, suppress(Killed):
            await other.writer.write()
        other.writer = writer_of(market.pool, other.asset, new_id("prc"))
        await _silent(other)
        await other.write()
        await looks_right(other)
        await other.book()
        if len(begun) <= statement:
            assert statement > 8
            return
    raise AssertionError("it never ended")


async def test_a_writer_that_was_overtaken_commits_nothing(market: Market) -> None:
    await crowd(market)
    await _silent(market)
    other = writer_of(market.pool, market.asset, new_id("prc"))
    while await other.write() is not None:
        pass
    ada = await market.place("ada", "buy", 1, 50)
    with pytest.raises(store.LostBook):
        await market.writer.write()
    assert (await market.order(ada)).status == "entering"
    assert await market.writer.write() is None  # it does not take what another has
    await other.write()
    assert (await market.order(ada)).status == "open"
    assert await check(market.pool, INVARIANTS, limit=10) == []


async def test_writers_that_race_for_a_book_write_it_once(market: Market) -> None:
    """Each takes it from the other again and again, amid a crowd of orders."""
    random = Random(7)
    for who in ("ada", "bob", "eve"):
        await market.account(who, 100_000)
    rival = writer_of(market.pool, market.asset, new_id("prc"))

    async def write(writer: AssetWriter, done: asyncio.Event) -> None:
        found: list[Operation] | None = []
        while not (done.is_set() and found is None):
            with suppress(store.LostBook):
                found = await writer.write()
            if random.random() < 0.5:
                await _silent(market)

    done = asyncio.Event()
    writing = [asyncio.create_task(write(one, done)) for one in (market.writer, rival)]
    await trade_at_random(market, random)
    done.set()
    await asyncio.gather(*writing)
    await _silent(market)
    await market.write()
    assert await check(market.pool, INVARIANTS, limit=10) == []
    await market.book()
    assert await market.pool.fetchval(
        "SELECT trade_number FROM instruments WHERE asset = $1", market.asset
    )


async def trade_at_random(market: Market, random: Random) -> None:
    """Send orders of all sorts, and have some cancelled and replaced."""
    placed: list[str] = []
    for _ in range(60):
        placed.append(
            await market.place(
                random.choice(["ada", "bob", "eve"]),
                random.choice(["buy", "sell"]),
                random.randint(1, 20),
                random.randint(95, 105),
                time_in_force=random.choice(["gtc", "gtc", "ioc", "fok"]),
                self_trade=random.choice(["expire_taker", "expire_maker", "decrement"]),
            )
        )
        if random.random() < 0.3:
            await market.cancel(random.choice(placed))
        elif random.random() < 0.3:
            await market.replace(random.choice(placed), random.randint(1, 25), 100)


async def _silent(market: Market) -> None:
    """Have whoever writes be taken for dead."""
    await market.pool.execute(
        "UPDATE instruments SET seen_at = now() - interval '1 hour' WHERE asset = $1", market.asset
    )
