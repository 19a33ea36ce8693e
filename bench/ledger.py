"""`python -m bench.ledger`: the ledger alone, transfers a second, each of them durable."""

import argparse
import asyncio
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.ledger_cases import (
    MANY_ACCOUNTS,
    WAYS,
    Store,
    Way,
    WrongBooksError,
    measure,
    open_books,
)
from bench.ledger_references import CONCLUSION, REFERENCES
from bench.loop import Loop
from bench.results import spread
from bench.rounds import Ground, open_ground
from bench.surroundings import taken
from perdure.config import Settings
from perdure.core.errors import PerdureError
from perdure.core.ledgers import LedgerChoice
from perdure.embedded.postgres import create_database, drop_database
from perdure.ledger.choice import open_ledger
from perdure.schema import migrate
from perdure.storage.pool import Pool, open_pool

RESULTS: Final = Path(__file__).parent / "ledger.json"
FOLDER: Final = Path(".perdure/bench")
DATABASE: Final = "bench_ledger"
CONNECTIONS: Final = 20
"""As many as a Perdure process has by default."""
WARM_UP_S: Final = 0.1
DURABLE: Final = {"fsync": "on", "synchronous_commit": "on"}

STORES: Final = {
    LedgerChoice.POSTGRES: "PostgreSQL",
    LedgerChoice.TIGERBEETLE: "TigerBeetle",
}
"""The latter where `TIGERBEETLE_ADDRESSES` says where it is."""

ACCOUNTS: Final[Mapping[int, str]] = {
    1: "one hot account",
    MANY_ACCOUNTS: f"{MANY_ACCOUNTS:,} accounts",
}

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


@dataclass(slots=True)
class Result:
    """A way of writing, from so many accounts, on a store: a number for each round."""

    way: Way
    accounts: int
    transfers_per_s: list[float] = dataclasses.field(default_factory=list)
    choice: LedgerChoice = LedgerChoice.POSTGRES


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each case, in each round")
    parser.add_argument("--table-only", action="store_true", help="write no file")
    options = parser.parse_args()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_run(options.rounds, options.seconds, keep=not options.table_only))
    except KeyboardInterrupt:
        out.print("Ended before it was done.")
        return 130
    except (WrongBooksError, PerdureError, TimeoutError) as error:
        out.print(f"[red]{type(error).__name__}[/]: {error}")
        return 1
    return 0


async def _run(rounds: int, seconds: float, *, keep: bool) -> None:
    settings = Settings.load()
    choices = [*LedgerChoice] if settings.tigerbeetle_addresses else [LedgerChoice.POSTGRES]
    results = [
        Result(way, accounts, choice=choice)
        for choice in choices
        for accounts in ACCOUNTS
        for way in WAYS
    ]
    load_before = os.getloadavg()[0]
    command = shlex.join(["python", "-m", "bench.ledger", *sys.argv[1:]])
    async with open_ground(FOLDER) as ground:
        for number in range(rounds):
            out.print(f"Round {number + 1} of {rounds}")
            # Each round begins elsewhere: what comes late in a round meets fuller tables.
            start = number * len(results) // rounds
            turned = results[start:] + results[:start]
            for choice in choices:
                of_store = [each for each in turned if each.choice is choice]
                await _run_round(ground, choice, of_store, seconds, settings)
        surroundings = await taken(command, ground, load_before=load_before)
    for table in (measured_table(results), references_table()):
        out.print(table)
    out.print(CONCLUSION)
    if keep:
        RESULTS.write_text(json.dumps(as_json(results, surroundings), indent=1) + "\n")


async def _run_round(
    ground: Ground,
    choice: LedgerChoice,
    results: Sequence[Result],
    seconds: float,
    settings: Settings,
) -> None:
    """Measure every case once, on a database that is new."""
    await drop_database(ground.postgres_url, DATABASE)
    url = await create_database(ground.postgres_url, DATABASE)
    await migrate(url)
    async with (
        open_pool(url, size=CONNECTIONS) as pool,
        open_ledger(
            choice,
            pool,
            addresses=settings.tigerbeetle_addresses,
            cluster_id=settings.tigerbeetle_cluster_id,
            process="bench",
        ) as opened,
    ):
        await _check_durable(pool)
        store = Store(pool, opened)
        books = await open_books(store)
        for result in results:
            await measure(result.way, result.accounts, store, books, seconds=WARM_UP_S)
            # What the case before left is written out now, so that this one does not pay for it.
            await pool.execute("CHECKPOINT")
            found = await measure(result.way, result.accounts, store, books, seconds=seconds)
            result.transfers_per_s.append(round(found, 1))
    await drop_database(ground.postgres_url, DATABASE)


async def _check_durable(pool: Pool) -> None:
    found = {name: await pool.fetchval(f"SHOW {name}") for name in DURABLE}
    if found != DURABLE:
        raise WrongBooksError(f"What is committed is not on the disk: {found}")


def measured_table(results: Sequence[Result]) -> Table:
    """Return what was measured: a row for each way of writing."""
    drawn = Table(
        title="Transfers posted a second, durable: median (min-max) of the rounds",
        title_justify="left",
    )
    drawn.add_column("Perdure's ledger")
    for heading in ACCOUNTS.values():
        drawn.add_column(heading, justify="right")
    numbers = {
        (each.choice, each.way.name, each.accounts): each.transfers_per_s for each in results
    }
    for choice in dict.fromkeys(each.choice for each in results):
        for way in WAYS:
            of_way = (numbers.get((choice, way.name, accounts), []) for accounts in ACCOUNTS)
            drawn.add_row(f"{STORES[choice]}: {way.name}", *map(spread, of_way))
    return drawn


def references_table() -> Table:
    """Return what others publish."""
    drawn = Table(title="What others publish; not measured here", title_justify="left")
    for heading in ("product", "figure", "what was measured", "where it is published"):
        drawn.add_column(heading)
    for reference in REFERENCES:
        drawn.add_row(*dataclasses.astuple(reference))
    return drawn


def as_json(results: Sequence[Result], surroundings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results as they are kept."""
    return {
        "taken": {**surroundings, "settings": DURABLE, "connections": CONNECTIONS},
        "transfers_per_s": [
            {
                "store": result.choice,
                "way": result.way.name,
                "in_flight": result.way.in_flight,
                "batch": result.way.batch,
                "accounts": result.accounts,
                "rounds": result.transfers_per_s,
            }
            for result in results
        ],
        "references": [dataclasses.asdict(reference) for reference in REFERENCES],
        "conclusion": CONCLUSION,
    }


if __name__ == "__main__":
    sys.exit(main())
