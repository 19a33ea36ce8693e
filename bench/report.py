"""Results for people: a table on the terminal, and a page."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from bench.peers.catalogue import NOT_BUILT
from bench.results import Result, ratios, spread

OURS: Final = "perdure"

HEADINGS: Final = (
    "peer",
    "operations/s",
    "x perdure",
    "durable steps/s",
    "p50 ms",
    "p99 ms",
    "added alone ms",
    "CPU ms/operation",
)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return a row of `HEADINGS` for each result of one setting."""
    ours = next((result for result in results if result.peer == OURS), None)
    return [_row(result, ours) for result in results]


def _row(result: Result, ours: Result | None) -> tuple[str, ...]:
    if result.unavailable is not None:
        return (result.peer, _why(result.unavailable), *[""] * (len(HEADINGS) - 2))
    comparable = ours is not None and len(ours.operations_per_s) == len(result.operations_per_s)
    latency = result.latency_ms
    return (
        result.peer,
        spread(result.operations_per_s),
        spread(ratios(result, ours), 2) if ours is not None and comparable else "-",
        spread(result.durable_steps_per_s) if result.durable_steps else "none",
        spread(latency.get("p50", [])),
        spread(latency.get("p99", [])),
        spread(latency.get("added_alone_p50", []), 1),
        spread(result.cpu_total_ms, 1),
    )


def _why(reason: str) -> str:
    return reason if reason in NOT_BUILT.values() else f"not available: {reason}"


def by_setting(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of an experiment under each setting, by a heading for it."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(heading(result.setting), []).append(result)
    return found


def heading(setting: dict[str, int]) -> str:
    """Say under what was measured."""
    return (
        f"{setting['concurrency']} at once, {setting['workers']} worker processes,"
        f" {setting['done_before']:,} done before"
    )


def table(title: str, results: Sequence[Result]) -> Table:
    """Return a table for the terminal."""
    drawn = Table(title=title, title_justify="left")
    for number, name in enumerate(HEADINGS):
        drawn.add_column(name, justify="right" if number else "left")
    for row in rows(results):
        drawn.add_row(*row)
    return drawn


def cpu_table(results: Sequence[Result]) -> Table:
    """Return where the processor time went."""
    measured = [result for result in results if result.cpu_ms_per_operation]
    purposes = sorted({name for result in measured for name in result.cpu_ms_per_operation})
    drawn = Table(title="CPU ms/operation, by process", title_justify="left")
    for number, name in enumerate(("peer", *purposes)):
        drawn.add_column(name, justify="right" if number else "left")
    for result in measured:
        numbers = (spread(result.cpu_ms_per_operation.get(name, []), 1) for name in purposes)
        drawn.add_row(result.peer, *numbers)
    return drawn
