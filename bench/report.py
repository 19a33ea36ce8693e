"""Results as tables: headings and rows for the terminal and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from bench.results import Result, grows, ratios, spread

OURS: Final = ("perdure-auto", "perdure", "perdure-lane")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table: a title, headings, and rows of as many cells."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(results: Sequence[Result]) -> list[Numbers]:
    """Return the tables of one experiment."""
    found: list[Numbers] = []
    settings = by_setting(results)
    for name, part in settings.items():
        found += [main_table(name, part), cpu_table(part)]
        if any(result.queue for result in part):
            found.append(queue_table(part))
    if len(settings) > 1:
        found.append(change_table(settings))
    return found


def by_setting(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results of an experiment under each setting, by its name."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.setting["name"], []).append(result)
    return found


def main_table(title: str, results: Sequence[Result]) -> Numbers:
    """Return how fast each peer is under one setting, and how much of ours that is."""
    ours = [result for result in results if result.peer in OURS and not result.unavailable]
    headings = (
        "peer",
        "open at once",
        "operations/s",
        *(f"x {result.peer}" for result in ours),
        "durable steps/s",
        "p50 ms",
        "p99 ms",
        "added alone ms",
        "CPU ms/operation",
    )
    return Numbers(title, headings, [_row(result, ours, len(headings)) for result in results])


def _row(result: Result, ours: Sequence[Result], width: int) -> tuple[str, ...]:
    if result.unavailable is not None:
        return (result.peer, "", f"not available: {result.unavailable}", *[""] * (width - 3))
    latency = result.latency_ms
    rate = result.setting.get("rate_per_s")
    return (
        result.peer,
        f"{rate}/s" if rate else f"{result.setting['concurrency']:,}",
        spread(result.operations_per_s),
        *(spread(ratios(result.operations_per_s, own.operations_per_s), 2) for own in ours),
        spread(result.durable_steps_per_s) if result.durable_steps else "none",
        spread(latency.get("p50", [])),
        spread(latency.get("p99", [])),
        spread(latency.get("added_alone_p50", []), 1),
        spread(result.cpu_total_ms, 1),
    )


def cpu_table(results: Sequence[Result]) -> Numbers:
    """Return where the processor time went."""
    measured = [result for result in results if result.cpu_ms_per_operation]
    purposes = sorted({name for result in measured for name in result.cpu_ms_per_operation})
    lines = [
        (
            result.peer,
            *(spread(result.cpu_ms_per_operation.get(name, []), 2) for name in purposes),
        )
        for result in measured
    ]
    return Numbers("CPU ms/operation, by process", ("peer", *purposes), lines)


def queue_table(results: Sequence[Result]) -> Numbers:
    """Return how many operations were due and had not ended, as time went by."""
    parts = ("25%", "50%", "75%", "100%")
    lines = []
    for result in results:
        for number, queue in enumerate(result.queue, 1):
            at = [queue[len(queue) * part // 4 - 1] for part in (1, 2, 3, 4)] if queue else []
            lines.append(
                (
                    f"{result.peer}, round {number}",
                    *(f"{length:,}" for length in at),
                    f"{max(queue, default=0):,}",
                    "grows" if grows(queue) else "steady",
                )
            )
    title = "operations in the queue, by how much of the time had passed"
    return Numbers(title, ("peer", *parts, "most", "it"), lines)


def change_table(settings: dict[str, list[Result]]) -> Numbers:
    """Return how each peer changes from the first setting to the others, within each round."""
    first, *others = settings
    lines = []
    for base in settings[first]:
        cells = [base.peer]
        for name in others:
            result = next((found for found in settings[name] if found.peer == base.peer), None)
            if result is None:
                cells += ["-", "-"]
                continue
            cells += [
                spread(ratios(result.operations_per_s, base.operations_per_s), 2),
                spread(ratios(result.cpu_total_ms, base.cpu_total_ms), 2),
            ]
        lines.append(tuple(cells))
    headings = [part for name in others for part in (f"{name}: operations/s", "CPU/operation")]
    return Numbers(f"in proportion to: {first}", ("peer", *headings), lines)


def ratio_table(results: Sequence[Result]) -> Numbers:
    """Return by how much each of ours is faster than each other peer under one setting."""
    ours = [result for result in results if result.peer in OURS and not result.unavailable]
    lines = [
        (
            result.peer,
            *(spread(ratios(own.operations_per_s, result.operations_per_s), 2) for own in ours),
            *(spread(ratios(result.cpu_total_ms, own.cpu_total_ms), 2) for own in ours),
        )
        for result in results
        if not result.unavailable and result.peer not in OURS
    ]
    headings = (
        "beside",
        *(f"{own.peer}: times its operations/s" for own in ours),
        *(f"its CPU/operation, times {own.peer}'s" for own in ours),
    )
    return Numbers("median (min-max) of the rounds", headings, lines)


def drawn(numbers: Numbers) -> Table:
    """Return a table for the terminal."""
    table = Table(title=numbers.title, title_justify="left")
    for number, name in enumerate(numbers.headings):
        table.add_column(name, justify="right" if number else "left")
    for row in numbers.rows:
        table.add_row(*row)
    return table
