"""How many durable orders a second, and how soon each is acknowledged; beside bare SQL.

    python -m bench orders [--orders N] [--rate R] [--seconds S]

Everything is in one process but PostgreSQL, which syncs each commit: what the API does for an order
without HTTP, the book's writer, and the desk for sells with an asset service in memory. First as
many as go, some hundred in flight; then so many a second, each timed until its book has it. Bare
SQL then writes the rows that the first run left, in commits of its size, and does nothing else.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
from openfeature import api
from rich.console import Console
from rich.table import Table

from bench.loop import Loop
from bench.rounds import open_ground
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.embedded.postgres import create_database, drop_database
from perdure.flags.routing import EngineRouting
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.verify import check
from perdure.storage.migrate import migrate
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
BATCH: Final = 100
"""Of bare SQL: about as many as a commit of the writer has under the same load."""
ROWS: Final = (
    *("orders", "order_journal", "ledger_transfers", "ledger_open_holds"),
    *("operations", "operation_trail"),
)

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
LEDGER: Final = PostgresLedger()


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

    async def place(self, number: int) -> float:
        """Place an order; returns after how many seconds its book had it."""
        chance = random.Random(number)  # noqa: S311
        account = chance.randrange(len(self.accounts))
        began = time.perf_counter()
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
        return time.perf_counter() - began


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=Loop) as runner:
        out.print(runner.run(_measured(options.orders, options.rate, options.seconds)))
    return 0


async def _measured(count: int, rate: int, seconds: int) -> Table:
    async with open_ground(FOLDER) as ground:
        await drop_database(ground.postgres_url, DATABASE)
        url = await create_database(ground.postgres_url, DATABASE)
        await migrate(url)
        async with open_pool(url, size=12) as pool, _exchange(pool, url) as exchange:
            closed_s, of_closed = await _in_flight(exchange, count)
            rows = {name: await pool.fetch(f"SELECT * FROM {name}") for name in ROWS}
            trades = len(rows["operations"])
            _, of_rate = await _at_rate(exchange, count, rate, seconds)
            assert await check(pool, INVARIANTS, limit=10) == []
        async with open_pool(url, size=12) as pool:
            bare_s = await _bare(pool, rows)
        await drop_database(ground.postgres_url, DATABASE)
    table = Table(title=f"{count:,} orders, {trades:,} trades; then {rate:,}/s for {seconds} s")
    for heading in ("", "orders/s", "p50 ms", "p99 ms", "longest ms"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row(f"{IN_FLIGHT} in flight", f"{count / closed_s:,.0f}", *_figures(of_closed))
    table.add_row(f"offered {rate:,}/s", f"{len(of_rate) / seconds:,.0f}", *_figures(of_rate))
    table.add_row("bare SQL, the rows of the first", f"{count / bare_s:,.0f}", "", "", "")
    return table


def _figures(took_s: list[float]) -> list[str]:
    cuts = statistics.quantiles(took_s, n=100)
    return [f"{figure * 1000:,.1f}" for figure in (cuts[49], cuts[98], max(took_s))]


@asynccontextmanager
async def _exchange(pool: Pool, url: str) -> AsyncIterator[Exchange]:
    acceptance = TradeAcceptance(LEDGER, EngineRouting(api.get_client(), {}))

    def lanes_of(trades: Sequence[TradeRequest]) -> list[int | None]:
        return [0] * len(trades)

    def writer_of(asset: str, name: str) -> AssetWriter:
        return AssetWriter(pool, LEDGER, acceptance, lanes_of, asset=asset, name=name)

    async def begin(_trade: object) -> None:
        """Trades are not carried out here."""

    accounts = [new_id(ACCOUNT) for _ in range(ACCOUNTS)]
    async with transaction(pool) as connection:
        await ensure_system_accounts(LEDGER, connection, ["USD"])
        for number, account_id in enumerate(accounts):
            await _open_account(connection, account_id, f"cus_{number}")
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


async def _open_account(connection: Any, account_id: str, customer_id: str) -> None:
    await LEDGER.open_account(
        connection,
        NewAccount(
            id=account_id,
            name="wallet",
            kind=AccountKind.LIABILITY,
            currency="USD",
            customer_id=customer_id,
        ),
    )
    await LEDGER.post(
        connection,
        NewTransfer(
            id=new_id(TRANSFER),
            debit_account_id=system_account_id(SystemAccount.BANK, "USD"),
            credit_account_id=account_id,
            amount_minor=10**12,
            currency="USD",
            code="deposit",
        ),
    )


async def _in_flight(exchange: Exchange, count: int) -> tuple[float, list[float]]:
    numbers = iter(range(count))

    async def send() -> list[float]:
        return [await exchange.place(number) for number in numbers]

    began = time.perf_counter()
    took = await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - began, [one for each in took for one in each]


async def _at_rate(
    exchange: Exchange, first: int, rate: int, seconds: int
) -> tuple[float, list[float]]:
    """Send each at its time, however the ones before it fare."""
    began = time.perf_counter()
    sent = []
    for number in range(rate * seconds):
        late_s = began + number / rate - time.perf_counter()
        if late_s > 0:
            await asyncio.sleep(late_s)
        sent.append(asyncio.ensure_future(exchange.place(first + number)))
    took = await asyncio.gather(*sent)
    return time.perf_counter() - began, took


async def _bare(pool: Pool, rows: dict[str, list[asyncpg.Record]]) -> float:
    """Write the same rows again, into empty tables of the same form; returns how long it took."""
    inserts = {name: await _insert_into_a_copy(pool, name) for name in ROWS}
    batches = -(-len(rows["orders"]) // BATCH)
    began = time.perf_counter()
    for number in range(batches):
        async with transaction(pool) as connection:
            for name, all_of_it in rows.items():
                share = -(-len(all_of_it) // batches)
                part = all_of_it[number * share : (number + 1) * share]
                if part:
                    await connection.execute(inserts[name], *zip(*part, strict=True))
    return time.perf_counter() - began


async def _insert_into_a_copy(pool: Pool, name: str) -> str:
    await pool.execute(f"CREATE TABLE bare_{name} (LIKE {name} INCLUDING ALL)")
    kinds = await pool.fetch(
        "SELECT format_type(atttypid, NULL) AS kind FROM pg_attribute"
        " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        name,
    )
    arrays = ", ".join(f"${at}::{row['kind']}[]" for at, row in enumerate(kinds, start=1))
    return f"INSERT INTO bare_{name} OVERRIDING SYSTEM VALUE SELECT * FROM unnest({arrays})"
