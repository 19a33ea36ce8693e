"""`python -m bench.years`: what is asked of a database with millions of operations that ended.

The lists and previews of the API, the looks of `doctor` and the janitor, and `verify`, whole and of
what changed; how many bytes an operation takes, and what the archive makes of it.
"""

import argparse
import asyncio
import os
import shlex
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from rich.console import Console

from bench import page
from bench.loop import Loop
from bench.plots import Bar
from bench.report import Numbers, bar_of, drawn
from bench.rounds import open_ground
from bench.surroundings import taken
from bench.years_of_rows import fill
from perdure.capability.verification import verify
from perdure.cli.doctor_work import look_at_work
from perdure.core.clock import utc_now
from perdure.core.errors import PerdureError
from perdure.embedded.postgres import create_database, drop_database, postgres_url
from perdure.operations import store
from perdure.operations.archive import RECORDS, Archive
from perdure.operations.bulk import selection
from perdure.operations.bulk.model import BulkQuery
from perdure.operations.engine import Engine
from perdure.operations.janitor import Janitor
from perdure.operations.model import Status
from perdure.schema import migrate
from perdure.storage.pool import Pool, open_pool, transaction

FOLDER: Final = Path(".perdure/bench")
DATABASE: Final = "bench_years"
CONNECTIONS: Final = 8
TIMES: Final = 5
ARCHIVED_AFTER: Final = timedelta(days=300)

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
            load_before = os.getloadavg()[0]
            tables = [await sizes(pool), await measured(pool), await verified(pool)]
            tables.append(await archived(pool, operations))
        for table in tables:
            out.print(drawn(table))
        command = shlex.join(["python", "-m", "bench.years", *sys.argv[1:]])
        found = {
            "operations": operations,
            "taken": await taken(command, ground, load_before=load_before),
            "tables": [asdict(table) for table in tables],
        }
    page.keep_alone("years", found)


async def measured(pool: Pool) -> Numbers:
    """Return how long each question takes: the median, and the longest."""
    took = {name: [await _took_ms(pool, ask) for _ in range(TIMES)] for name, ask in _questions()}
    rows = [
        (name, f"{statistics.median(times):,.1f}", f"{max(times):,.1f}")
        for name, times in took.items()
    ]
    bars = [bar_of(name, times) for name, times in took.items()]
    title = f"Milliseconds, {TIMES} times each"
    return Numbers(title, ("asked", "median", "longest"), rows, "ms", bars)


async def verified(pool: Pool) -> Numbers:
    """Return how long `verify` takes, of everything and then of what changed."""
    took = {
        name: await _took_ms(pool, partial(verify, compared={}, is_whole=is_whole))
        for name, is_whole in (("everything", True), ("what changed", False))
    }
    rows = [(name, f"{took_ms:,.0f}") for name, took_ms in took.items()]
    bars = [bar_of(name, [took_ms]) for name, took_ms in took.items()]
    return Numbers("`verify`", ("of", "ms"), rows, "ms", bars)


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


async def sizes(pool: Pool) -> Numbers:
    """Return how many bytes an operation takes, table by table."""
    operations = await pool.fetchval("SELECT count(*) FROM operations", timeout=600)
    rows = await pool.fetch(
        "SELECT relname, pg_table_size(oid) AS own, pg_indexes_size(oid) AS indexes FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND pg_total_relation_size(oid) > $1 ORDER BY pg_total_relation_size(oid) DESC",
        8 * operations,
    )
    parts = {
        row["relname"]: {"rows": row["own"] / operations, "indexes": row["indexes"] / operations}
        for row in rows
    }
    parts["all of these"] = {
        name: sum(part[name] for part in parts.values()) for name in ("rows", "indexes")
    }
    lines = [(table, *(f"{size:,.0f}" for size in part.values())) for table, part in parts.items()]
    bars = [Bar(table, part, *[sum(part.values())] * 2) for table, part in parts.items()]
    return Numbers("Bytes an operation", ("table", "rows", "indexes"), lines, "bytes", bars)


async def archived(pool: Pool, operations: int) -> Numbers:
    """Return what the archive makes of what ended more than `ARCHIVED_AFTER` ago."""
    look = Archive(pool, ARCHIVED_AFTER).look
    before = await pool.fetchval(_RECORDS_BYTES, list(RECORDS))
    begun, count = time.perf_counter(), 0
    while moved := await look():
        count += moved
    took_s = time.perf_counter() - begun
    kept = await pool.fetchval(_ARCHIVE_BYTES)
    rows = [
        ("bytes an operation, where it was written", f"{before / operations:,.0f}"),
        ("bytes an operation, in the archive", f"{kept / max(count, 1):,.0f}"),
        ("operations archived a second, by one worker", f"{count / took_s:,.0f}"),
    ]
    return Numbers(f"The archive, of {count:,} operations", ("what", "number"), rows, "", [])


_RECORDS_BYTES: Final = """
SELECT sum(pg_total_relation_size(name::regclass))::bigint FROM unnest($1::text[]) AS name
"""

_ARCHIVE_BYTES: Final = """
SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits
WHERE inhparent = 'archived_operations'::regclass
"""


if __name__ == "__main__":
    sys.exit(main())
