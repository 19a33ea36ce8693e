"""`python -m bench.years`: what is asked of a database with millions of operations that ended.

The lists and previews of the API, the looks of `doctor` and the janitor, and `verify`, whole and of
what changed; and how many bytes an operation takes.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console
from rich.table import Table

from bench.loop import Loop
from bench.rounds import open_ground
from bench.years_of_rows import fill
from perdure.capability.verification import verify
from perdure.cli.doctor_work import look_at_work
from perdure.core.clock import utc_now
from perdure.core.errors import PerdureError
from perdure.embedded.postgres import create_database, drop_database, postgres_url
from perdure.operations import store
from perdure.operations.bulk import selection
from perdure.operations.bulk.model import BulkQuery
from perdure.operations.engine import Engine
from perdure.operations.janitor import Janitor
from perdure.operations.model import Status
from perdure.storage.migrate import migrate
from perdure.storage.pool import Pool, open_pool, transaction

FOLDER: Final = Path(".perdure/bench")
DATABASE: Final = "bench_years"
CONNECTIONS: Final = 8
TIMES: Final = 5

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
Question = Callable[[Pool], Awaitable[object]]


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.years", description=__doc__)
    parser.add_argument("--operations", type=int, default=2_000_000)
    parser.add_argument("--keep", action="store_true", help="use the database of the last run")
    options = parser.parse_args()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_run(options.operations, keep=options.keep))
    except KeyboardInterrupt:
        out.print("Ended before it was done.")
        return 130
    except PerdureError as error:
        out.print(f"[red]{type(error).__name__}[/]: {error}")
        return 1
    return 0


async def _run(operations: int, *, keep: bool) -> None:
    async with open_ground(FOLDER) as ground:
        url = postgres_url(FOLDER, DATABASE)
        if not keep:
            await drop_database(ground.postgres_url, DATABASE)
            url = await create_database(ground.postgres_url, DATABASE)
        await migrate(url)
        async with open_pool(url, size=CONNECTIONS) as pool:
            if not keep:
                out.print(f"Writing {operations:,} operations")
                await fill(pool, operations)
            out.print(await sizes(pool))
            out.print(await measured(pool))


async def measured(pool: Pool) -> Table:
    """Return how long each question takes: the median, and the longest."""
    drawn = Table(title=f"Milliseconds, {TIMES} times each", title_justify="left")
    for column in ("asked", "median", "longest"):
        drawn.add_column(column, justify="left" if column == "asked" else "right")
    for name, ask in _questions():
        took = [await _took_ms(pool, ask) for _ in range(TIMES)]
        drawn.add_row(name, f"{statistics.median(took):,.1f}", f"{max(took):,.1f}")
    for name, is_whole in (("everything", True), ("what changed", False)):
        took_ms = await _took_ms(pool, partial(verify, compared={}, is_whole=is_whole))
        drawn.add_row(f"verify: {name}", f"{took_ms:,.0f}", "")
    return drawn


async def _took_ms(pool: Pool, ask: Question) -> float:
    begun = time.perf_counter()
    await ask(pool)
    return (time.perf_counter() - begun) * 1000


LISTS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"kind": "transfer"},
    {"kind": "kind_3"},
    {"kind": "of none"},
    *({"status": status} for status in Status),
    {"kind": "kind_3", "status": Status.FAILED},
    {"customer_id": "customer-5"},
    {"customer_id": "customer-5", "kind": "transfer", "status": Status.FAILED},
    {"reference": "reference-100"},
    {"reference": "of none"},
)


def _previews() -> Iterator[BulkQuery]:
    now = utc_now()
    for status in (Status.FAILED, Status.NEEDS_ATTENTION, Status.UNKNOWN):
        yield BulkQuery(status=status)
    yield BulkQuery(kind="payment", status=Status.FAILED)
    yield BulkQuery(failure_code="refused_3")
    yield BulkQuery(failure_step="of none")
    yield BulkQuery(customer_id="customer-5")
    yield BulkQuery(metadata={"order": "order-500"})
    yield BulkQuery(provider="bank", status=Status.NEEDS_ATTENTION)
    for days in (1, 300):
        since = now - timedelta(days=days)
        yield BulkQuery(created_after=since, created_before=since + timedelta(hours=1))
        yield BulkQuery(updated_after=since, updated_before=since + timedelta(hours=1))
    yield BulkQuery(kind="kind_3")
    yield BulkQuery(status=Status.SUCCEEDED)
    yield BulkQuery()


def _questions() -> Iterator[tuple[str, Question]]:
    for wanted in LISTS:
        yield f"list {_told(wanted)}", partial(store.find, **wanted)
    for query in _previews():
        criteria = {name: getattr(query, name) for name in query.__dataclass_fields__}
        yield f"preview {_told(criteria)}", partial(_preview, query)
    yield "doctor", _doctor
    yield "janitor", _janitor


def _told(criteria: Mapping[str, Any]) -> str:
    given = {name: value for name, value in criteria.items() if value}
    return " ".join(f"{name}={value}" for name, value in given.items()) or "all"


async def _preview(query: BulkQuery, pool: Pool) -> None:
    async with transaction(pool) as connection:
        await selection.preview(connection, query)


async def _doctor(pool: Pool) -> None:
    async for _ in look_at_work(pool):
        pass


class _QuietEngine:
    """An engine where nothing happens: what is measured is what the janitor asks the database."""

    kinds: Final[Mapping[str, Any]] = {}

    async def broken_off_since(self, since: datetime) -> list[str]:  # noqa: ARG002
        return []


async def _janitor(pool: Pool) -> None:
    await Janitor(pool, cast("Engine", _QuietEngine())).look()


async def sizes(pool: Pool) -> Table:
    """Return how many bytes an operation takes, table by table."""
    drawn = Table(title="Bytes an operation", title_justify="left")
    for column in ("table", "rows", "indexes"):
        drawn.add_column(column, justify="left" if column == "table" else "right")
    operations = await pool.fetchval("SELECT count(*) FROM operations", timeout=600)
    rows = await pool.fetch(
        "SELECT relname, pg_table_size(oid) AS own, pg_indexes_size(oid) AS indexes FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND pg_total_relation_size(oid) > $1 ORDER BY pg_total_relation_size(oid) DESC",
        8 * operations,
    )
    for row in rows:
        own, indexes = (row[name] / operations for name in ("own", "indexes"))
        drawn.add_row(row["relname"], f"{own:,.0f}", f"{indexes:,.0f}")
    totals = [sum(row[name] for row in rows) / operations for name in ("own", "indexes")]
    drawn.add_row("all of these", *(f"{total:,.0f}" for total in totals))
    return drawn


if __name__ == "__main__":
    sys.exit(main())
