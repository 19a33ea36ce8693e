"""`python -m bench.renewals`: the first of a month in miniature, against registries with limits.

Everything runs as `perdure up` runs it, on one machine: the queue is filled, drained through lanes
at the registries' limits, and what happened is read from the registries' own books and ours.
"""

import argparse
import asyncio
import json
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.renewals_world import (
    REGISTRIES,
    Customers,
    control,
    enqueue,
    names,
    open_customers,
    renew_one,
    set_limits,
    write_domains,
)
from perdure.bootstrap import Platform
from perdure.cli.environment import DataFolder
from perdure.cli.machine import run_machine
from perdure.cli.session import open_session
from perdure.cli.up import until_it_works
from perdure.limits import store as limits
from perdure.operations.model import FINISHED
from perdure.providers.registry import registry_name

RESULTS: Final = Path(__file__).parent / "renewals.json"
FOLDER: Final = Path(".perdure/bench/renewals")
COUNT: Final = 100_000
SAMPLE_S: Final = 5.0
ALONE_EVERY: Final = 6
"""So many samples lie between two renewals that a customer waits for."""
SPARE: Final = 200
"""Domains for those."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True, slots=True)
class Sample:
    """How it stands at one moment.

    Args:
        at_s: Since the first renewal was enqueued.
        open: Renewals that have not ended.
        calls: Calls begun so far, by TLD.
        connections: Connections to PostgreSQL, ours all.
        hold_ms: The median time of the database step `hold_fee` since the last sample.
    """

    at_s: float
    open: int
    calls: dict[str, int]
    connections: int
    hold_ms: float | None


@dataclass(slots=True)
class Run:
    """What was measured."""

    count: int
    enqueued_s: float = 0.0
    drained_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    books: dict[str, dict[str, Any]] = field(default_factory=dict)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.renewals", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="how many are queued at once")
    parser.add_argument("--table-only", action="store_true", help="write no file")
    options = parser.parse_args()
    for port in ("API", "TEMPORAL", "TEMPORAL_UI", "GATEWAY", "FRAUD_SCORER", "MAIL_INQUIRY"):
        os.environ.setdefault(f"PERDURE_{port}_PORT", "0")
    for port in ("MAIL", "SMS", "BANK", "REGISTRY_INFO", "REGISTRY_FR", "REGISTRY_COM"):
        os.environ.setdefault(f"PERDURE_{port}_PORT", "0")
    try:
        run = asyncio.run(_run(options.count))
    except KeyboardInterrupt:
        out.print("Ended before it was done.")
        return 130
    _show(run)
    if not options.table_only:
        RESULTS.write_text(json.dumps(as_json(run), indent=1) + "\n")
    return 0


async def _run(count: int) -> Run:
    folder = DataFolder(FOLDER / time.strftime("%Y%m%dT%H%M%S"))
    async with run_machine(folder, workers=1, report=out.print) as machine, open_session() as ours:
        await until_it_works(machine, ours, out.print)
        work = asyncio.ensure_future(_measure(ours, count))
        # The supervisor hears of Ctrl-C first.
        stopped = asyncio.ensure_future(machine.supervisor.run_until_signalled())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            work.cancel()
            raise KeyboardInterrupt
        return work.result()


async def _measure(ours: Platform, count: int) -> Run:
    run = Run(count)
    customers = await open_customers(ours)
    await set_limits(ours)
    await write_domains(ours, customers, count + SPARE)
    out.print(f"Enqueuing {count:,} renewals")
    began = time.monotonic()
    sampling = asyncio.create_task(_sample(ours, customers, run, began))
    await enqueue(ours, customers, count)
    run.enqueued_s = time.monotonic() - began
    await sampling
    run.drained_s = time.monotonic() - began
    await _read_books(ours, run)
    return run


async def _sample(platform: Platform, customers: Customers, run: Run, began: float) -> None:
    """Look at it again and again, until nothing is left to do."""
    alone: set[asyncio.Task[None]] = set()
    spare = list(names(run.count + SPARE))[run.count :]
    while True:
        await asyncio.sleep(SAMPLE_S)
        run.samples.append(sample := await _look(platform, began))
        out.print(
            f"{sample.at_s:6.0f} s: {sample.open:,} open; calls {sample.calls};"
            f" {sample.connections} connections; hold {sample.hold_ms} ms"
        )
        if sample.open == 0 and run.enqueued_s:
            await asyncio.gather(*alone)
            return
        if len(run.samples) % ALONE_EVERY == 0 and spare:
            alone.add(asyncio.create_task(_one_alone(platform, customers, run, *spare.pop())))


async def _look(platform: Platform, began: float) -> Sample:
    row = await platform.pool.fetchrow(
        "SELECT (SELECT count(*) FROM operations WHERE kind = 'renewal' AND finished_at IS NULL)"
        " AS open, (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"
        " AS connections, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY"
        " extract(epoch FROM finished_at - started_at)) * 1000 FROM operation_steps"
        " WHERE step = 'hold_fee' AND id > (SELECT max(id) FROM operation_steps) - 2000) AS hold_ms"
    )
    assert row is not None
    found = {
        status.limit.provider: status.calls or 0 for status in await limits.statuses(platform.pool)
    }
    return Sample(
        round(time.monotonic() - began, 1),
        row["open"],
        {one.tld: found[registry_name(one.tld)] for one in REGISTRIES},
        row["connections"],
        round(row["hold_ms"], 1) if row["hold_ms"] is not None else None,
    )


async def _one_alone(
    platform: Platform, customers: Customers, run: Run, number: int, name: str
) -> None:
    began = time.monotonic()
    operation = await renew_one(platform, customers, number, name)
    while (await platform.operations.get(operation.id)).status not in FINISHED:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    run.alone_s.append(round(time.monotonic() - began, 2))


async def _read_books(platform: Platform, run: Run) -> None:
    """Read how it ended, from our rows and from the registries' own books."""
    statuses = await platform.pool.fetch(
        "SELECT status, count(*) FROM operations WHERE kind = 'renewal' GROUP BY status"
    )
    run.ended = {row["status"]: row["count"] for row in statuses}
    attempts = await platform.pool.fetch(
        "SELECT coalesce(error->>'code', outcome) AS how, count(*) FROM operation_steps"
        " GROUP BY how ORDER BY count DESC"
    )
    run.attempts = {row["how"]: row["count"] for row in attempts}
    for registry in REGISTRIES:
        run.books[registry.tld] = await control(platform, registry.tld, "GET", "/v1/totals")


def reached_per_s(run: Run, tld: str) -> float | None:
    """Return how many calls a second a registry was sent, over the middle of the run.

    From the first sample after enqueuing to the last at which more than a tenth was left.
    """
    steady = [
        sample
        for sample in run.samples
        if sample.at_s > run.enqueued_s and sample.open > run.count / 10
    ]
    if len(steady) < 2:
        return None
    first, last = steady[0], steady[-1]
    return (last.calls[tld] - first.calls[tld]) / (last.at_s - first.at_s)


def _show(run: Run) -> None:
    table = Table(title="Calls a second at the registries", title_justify="left")
    for heading in ("registry", "set", "reached", "renewed", "renewed more than once", "refused"):
        table.add_column(heading, justify="right")
    for registry in REGISTRIES:
        books = run.books[registry.tld]
        reached = reached_per_s(run, registry.tld)
        table.add_row(
            registry.tld,
            str(registry.per_second),
            f"{reached:.1f}" if reached else "-",
            str(books["renewals"]["renewed"]),
            str(books["renewed_more_than_once"]["count"]),
            json.dumps(books["refusals"]),
        )
    out.print(table)
    for line in conclusions(run):
        out.print(line)


def conclusions(run: Run) -> list[str]:
    """Say what was measured, and what follows for a whole first of a month."""
    per_s = run.count / run.drained_s
    connections = [sample.connections for sample in run.samples]
    holds = [sample.hold_ms for sample in run.samples if sample.hold_ms is not None]
    half = len(holds) // 2
    whole = {count: timedelta(seconds=round(count / per_s)) for count in (640_000, 1_000_000)}
    return [
        f"{run.count:,} renewals enqueued in {run.enqueued_s:.0f} s.",
        f"All ended after {run.drained_s:.0f} s: {per_s:.0f} a second. Ends: {run.ended}.",
        f"Attempts at steps, by outcome or error: {run.attempts}.",
        f"Connections to PostgreSQL: {min(connections)} to {max(connections)}.",
        f"The step hold_fee took {median(holds[:half]):.1f} ms (median) in the first half.",
        f"With fewer in the queue, in the second half, {median(holds[half:]):.1f} ms.",
        f"One renewal by itself while the others waited: {sorted(run.alone_s)} s.",
        "Extrapolated, not measured, at the same limits: "
        + ", ".join(f"{count:,} in {lasts}" for count, lasts in whole.items())
        + ".",
    ]


def as_json(run: Run) -> dict[str, Any]:
    """Return the run as it is kept."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "bench.renewals", *sys.argv[1:]]),
        "registries": [asdict(registry) for registry in REGISTRIES],
        "reached_per_s": {one.tld: reached_per_s(run, one.tld) for one in REGISTRIES},
        "conclusions": conclusions(run),
        **asdict(run),
    }


if __name__ == "__main__":
    sys.exit(main())
