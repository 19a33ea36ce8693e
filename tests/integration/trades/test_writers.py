"""A book's writer overtaken by another: what is committed is what one would have."""

import asyncio
from contextlib import suppress
from random import Random

import pytest

from perdure.core.ids import new_id
from perdure.operations.model import Operation
from perdure.operations.verify import check
from perdure.trades.orders import store
from perdure.trades.orders.verify import INVARIANTS
from perdure.trades.orders.writer import AssetWriter

from .market import Market, writer_of


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
