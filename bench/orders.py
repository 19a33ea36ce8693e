"""How many durable orders a second, and how soon each is acknowledged; beside bare SQL.

    python -m bench orders [--orders N] [--rate R] [--seconds S] [--rounds R] [--table-only]

Everything is in one process but PostgreSQL, which syncs each commit: what the API does for an order
without HTTP, the books' writers, and the desk for sells with an asset service in memory. First as
many as go, some hundred in flight; then so many a second, each timed until its book has it. Bare
SQL writes the rows of the first again, under the same two loads, within the same round.
"""

import argparse
import asyncio
import os
import random
import shlex
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from openfeature import api
from rich.console import Console

from bench import cpu, page
from bench.accounts import open_accounts
from bench.bare_orders import TABLES, BareOrders
from bench.loop import Loop
from bench.report import Numbers, bar_of, drawn
from bench.results import percentile, spread
from bench.rounds import Ground, open_ground
from bench.surroundings import taken
from perdure.embedded.postgres import create_database, drop_database
from perdure.flags.routing import EngineRouting
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.verify import check
from perdure.schema import migrate
from perdure.storage.pool import Pool, open_pool, transaction
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import TradeRequest
from perdure.trades.orders.instruments import list_asset
from perdure.trades.orders.matcher import Matcher
from perdure.trades.orders.new_orders import NewOrder
from perdure.trades.orders.reservations import AssetReservations
from perdure.trades.orders.service import Orders
from perdure.trades.orders.verify import INVARIANTS
from perdure.trades.orders.writer import AssetWriter
from perdure.trades.services.assets import AssetService, Reservation

FOLDER: Final = Path(".perdure/bench")
DATABASE: Final = "bench_orders"
ACCOUNTS: Final = 200
IN_FLIGHT: Final = 400
ASSETS: Final = ("GEM", "ORE", "WAX", "ZAP")
WARM_UP: Final = 500

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
LEDGER: Final = PostgresLedger()
PlaceOne = Callable[[int], Awaitable[None]]


class Generous:
    """An asset service that sets aside whatever is asked for, at once."""

    async def reserve(
        self, *, reference: str, owner: str, asset: str, quantity_lots: int
    ) -> Reservation:
        """Set it aside."""
        return Reservation(reference, reference, owner, asset, quantity_lots, 0, 0)

    async def reduce(self, *, reference: str, to_quantity_lots: int, version: int) -> Reservation:
        """Let go of it."""
        return Reservation(reference, reference, "", "", to_quantity_lots, 0, version)


@dataclass(frozen=True)
class Exchange:
    """What orders are sent to."""

    pool: Pool
    orders: Orders
    listener: LaneListener
    accounts: Sequence[str]

    async def place(self, number: int) -> None:
        """Place an order; returns once its book has it."""
        chance = random.Random(number)  # noqa: S311
        account = chance.randrange(len(self.accounts))
        taken = await self.orders.place(
            NewOrder(
                customer_id=f"cus_{account}",
                account_id=self.accounts[account],
                asset=ASSETS[number % len(ASSETS)],
                side="buy" if chance.random() < 0.5 else "sell",
                price_minor=round(chance.gauss(1_000, 10)),
                quantity_lots=chance.randint(1, 20),
                reference=f"order-{number}",
            )
        )
        order = taken.order
        while order.status in ("reserving", "entering"):
            order = await self.orders.settled(order, self.listener.hear)


@dataclass(frozen=True, slots=True)
class Run:
    """One way under one load, in one round.

    Args:
        latencies_ms: Of each order, from when it was sent (at a rate: was due) to its commit.
        cpu_ms: Processor time an order, of this process and of PostgreSQL.
    """

    orders_per_s: float
    latencies_ms: Sequence[float]
    cpu_ms: tuple[float, float]


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table-only", action="store_true", help="write no files")
    options = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=Loop) as runner:
        found = runner.run(_measured(options, shlex.join(["python", "-m", "bench", *sys.argv[1:]])))
    if not options.table_only:
        page.keep_alone("orders", found)
    return 0


async def _measured(options: argparse.Namespace, command: str) -> dict[str, Any]:
    rate, count = options.rate, max(options.orders, options.rate * options.seconds)
    in_flight: dict[str, list[Run]] = {}
    at_rate: dict[str, list[Run]] = {}
    load_before = os.getloadavg()[0]
    async with open_ground(FOLDER) as ground:
        for number in range(1, options.rounds + 1):
            out.print(f"round {number} of {options.rounds}")
            found = await _round(ground, count, rate, rate * options.seconds)
            for runs, of_round in zip((in_flight, at_rate), found, strict=True):
                for way, run in of_round.items():
                    runs.setdefault(way, []).append(run)
        surroundings = await taken(command, ground, load_before=load_before)
    tables = (
        _numbers(f"{IN_FLIGHT} in flight", in_flight, "orders/s", lambda run: run.orders_per_s),
        _numbers(f"{rate:,} a second", at_rate, "p99 ms", _p99_ms),
    )
    for table in tables:
        out.print(drawn(table))
    return {"orders": count, "taken": surroundings, "tables": [*map(asdict, tables)]}


async def _round(
    ground: Ground, count: int, rate: int, steady: int
) -> tuple[dict[str, Run], dict[str, Run]]:
    """Return what came of each way, under each of the loads."""
    await drop_database(ground.postgres_url, DATABASE)
    url = await create_database(ground.postgres_url, DATABASE)
    await migrate(url)
    async with open_pool(url, size=12) as pool:
        async with _exchange(pool, url) as exchange:
            await _in_flight(exchange.place, WARM_UP, first=count + steady)
            await pool.execute("CHECKPOINT")
            in_flight = await _watched(ground, _in_flight(exchange.place, count), count)
            at_rate = await _watched(ground, _at_rate(exchange.place, count, rate, steady), steady)
            assert await check(pool, INVARIANTS, limit=10) == []
        rows = {table: await pool.fetch(f"SELECT * FROM {table}") for table in TABLES}
        bare = BareOrders(pool, rows, len(rows["orders"]), len(ASSETS))
        del rows
        async with bare.open():
            await pool.execute("CHECKPOINT")
            bare_in_flight = await _watched(ground, _in_flight(bare.place, count), count)
        async with bare.open():
            bare_at_rate = await _watched(ground, _at_rate(bare.place, 0, rate, steady), steady)
    await drop_database(ground.postgres_url, DATABASE)
    ours, theirs = "perdure", "bare SQL, the same rows"
    return (
        {ours: in_flight, theirs: bare_in_flight},
        {ours: at_rate, theirs: bare_at_rate},
    )


def _numbers(
    load: str, by_way: dict[str, list[Run]], unit: str, shown: Callable[[Run], float]
) -> Numbers:
    """Return a table of the medians of the rounds, with the least and the most."""
    rows = []
    for way, runs in by_way.items():
        percentiles = (
            [percentile(run.latencies_ms, percent) for run in runs] for percent in (50, 99, 100)
        )
        here, postgres = zip(*(run.cpu_ms for run in runs), strict=True)
        rows.append(
            (
                way,
                spread([run.orders_per_s for run in runs]),
                *(spread(each, 1) for each in percentiles),
                spread(here, 2),
                spread(postgres, 2),
            )
        )
    headings = ("orders/s", "p50 ms", "p99 ms", "longest ms", "CPU ms here", "CPU ms PostgreSQL")
    bars = [bar_of(way, [shown(run) for run in runs]) for way, runs in by_way.items()]
    return Numbers(load, ("way", *headings), rows, unit, bars)


def _p99_ms(run: Run) -> float:
    return percentile(run.latencies_ms, 99)


async def _watched(
    ground: Ground, running: Awaitable[tuple[float, list[float]]], count: int
) -> Run:
    processes = {"postgres": ground.postgres_pid}
    before = cpu.used_s(processes)
    took_s, latencies_s = await running
    after = cpu.used_s(processes)
    here, postgres = ((after[one] - before[one]) * 1000 / count for one in ("client", "postgres"))
    return Run(count / took_s, [one * 1000 for one in latencies_s], (here, postgres))


@asynccontextmanager
async def _exchange(pool: Pool, url: str) -> AsyncIterator[Exchange]:
    acceptance = TradeAcceptance(LEDGER, EngineRouting(api.get_client(), {}))

    def lanes_of(trades: Sequence[TradeRequest]) -> list[int | None]:
        return [0] * len(trades)

    def writer_of(asset: str, name: str) -> AssetWriter:
        return AssetWriter(pool, LEDGER, acceptance, lanes_of, asset=asset, name=name)

    async def begin(_trade: object) -> None:
        """Trades are not carried out here."""

    customers = [f"cus_{number}" for number in range(ACCOUNTS)]
    accounts = await open_accounts(pool, LEDGER, customers, 10**12, "USD")
    async with transaction(pool) as connection:
        for asset in ASSETS:
            await list_asset(connection, asset, currency="USD", fee_basis_points=25)
    stop = asyncio.Event()
    async with LaneListener(url) as listener:
        desk = AssetReservations(pool, cast("AssetService", Generous()), listener.hear)
        matcher = Matcher(pool, writer_of, listener.hear, begin)
        running = asyncio.gather(matcher.run(stop), desk.run(stop))
        yield Exchange(pool, Orders(pool, LEDGER), listener, accounts)
        stop.set()
        await running


async def _in_flight(place: PlaceOne, count: int, *, first: int = 0) -> tuple[float, list[float]]:
    """Have so many in flight; returns how long all took, and each."""
    numbers = iter(range(first, first + count))
    took_s: list[float] = []

    async def send() -> None:
        for number in numbers:
            began = time.perf_counter()
            await place(number)
            took_s.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - began, took_s


async def _at_rate(place: PlaceOne, first: int, rate: int, count: int) -> tuple[float, list[float]]:
    """Send each at its time, however the ones before it fare."""
    took_s: list[float] = []

    async def send(number: int, due: float) -> None:
        await place(number)
        took_s.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as sent:
        for number in range(count):
            due = began + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            sent.create_task(send(first + number, due))
    return time.perf_counter() - began, took_s
