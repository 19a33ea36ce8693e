"""Results as tables: headings and rows for the terminal and for the page."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.table import Table

from bench.plots import Bar
from bench.results import Result, grows, ratios, spread

OURS: Final = (
    *("perdure", "perdure-own", "perdure-lanes"),
    *("trades", "trades-own", "trades-lanes"),
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table: a title, headings, and rows of as many cells.

    Args:
        unit: What its plot shows.
        bars: Its plot; none: it has none.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    unit: str = ""
    bars: list[Bar] = field(default_factory=list)


def tables(results: Sequence[Result]) -> list[Numbers]:
    """Return the tables of one experiment."""
    found: list[Numbers] = []
    settings = by_setting(results)
    for name, part in settings.items():
        if any("longest" in result.latency_ms for result in part):
            found.append(waits_table(name, part))
            continue
        found += [main_table(name, part), cpu_table(part)]
        if any(result.queue for result in part):
            found.append(queue_table(part))
    if len(settings) > 1 and not any("longest" in result.latency_ms for result in results):
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
        "added spaced ms",
        "CPU ms/operation",
    )
    rows = [_row(result, ours, len(headings)) for result in results]
    bars = [
        bar_of(result.peer, result.operations_per_s)
        for result in results
        if result.operations_per_s
    ]
    return Numbers(title, headings, rows, "operations/s", bars)


def bar_of(label: str, rounds: Sequence[float]) -> Bar:
    """Return the median of the rounds as a bar, with the least and the most."""
    return Bar(label, {"": statistics.median(rounds)}, min(rounds), max(rounds))


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
        spread(latency.get("added_spaced_p50", []), 1),
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
    bars = [_cpu_bar(result.peer, result.cpu_ms_per_operation) for result in measured]
    return Numbers("CPU ms/operation, by process", ("peer", *purposes), lines, "CPU ms", bars)


def _cpu_bar(peer: str, used_ms: Mapping[str, Sequence[float]]) -> Bar:
    parts = {purpose: statistics.median(rounds) for purpose, rounds in used_ms.items()}
    total_ms = sum(parts.values())
    return Bar(peer, parts, total_ms, total_ms)


def waits_table(title: str, results: Sequence[Result]) -> Numbers:
    """Return how long sagas had to wait while something happened to the peer."""
    lines, bars = [], []
    for result in results:
        if result.unavailable is not None:
            lines.append((result.peer, f"not available: {result.unavailable}", *[""] * 5))
            continue
        latency = result.latency_ms
        wrong = sorted({sentence for sentences in result.wrong for sentence in sentences})
        lines.append(
            (
                result.peer,
                f"{result.setting['rate_per_s']}/s",
                spread(latency["p50"]),
                spread(latency["p99"]),
                spread(latency["longest"]),
                spread(latency["over_1s_percent"], 1),
                "; ".join(wrong) or "right",
            )
        )
        bars.append(bar_of(result.peer, latency["longest"]))
    headings = ("peer", "offered", "p50 ms", "p99 ms", "longest ms", "over 1 s, %", "its effects")
    return Numbers(title, headings, lines, "longest ms", bars)


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
    most = [
        bar_of(result.peer, [max(queue) for queue in result.queue if queue])
        for result in results
        if any(result.queue)
    ]
    return Numbers(title, ("peer", *parts, "most", "it"), lines, "most", most)


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
    bars = [
        bar_of(f"{base.peer}: {name}", of_it)
        for base in settings[first]
        for name in others
        for result in settings[name]
        if result.peer == base.peer
        and (of_it := ratios(result.operations_per_s, base.operations_per_s))
    ]
    title = f"in proportion to: {first}"
    return Numbers(title, ("peer", *headings), lines, "times its operations/s", bars)


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
    bars = [
        bar_of(f"{own.peer} : {result.peer}", of_it)
        for result in results
        if not result.unavailable and result.peer not in OURS
        for own in ours
        if (of_it := ratios(own.operations_per_s, result.operations_per_s))
    ]
    title = "median (min-max) of the rounds"
    return Numbers(title, headings, lines, "times its operations/s", bars)


def markdown(numbers: Numbers) -> str:
    """Return a table for the page."""
    ruler = ("---", *["---:"] * (len(numbers.headings) - 1))
    lines = (numbers.headings, ruler, *numbers.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def drawn(numbers: Numbers) -> Table:
    """Return a table for the terminal."""
    table = Table(title=numbers.title, title_justify="left")
    for number, name in enumerate(numbers.headings):
        table.add_column(name, justify="right" if number else "left")
    for row in numbers.rows:
        table.add_row(*row)
    return table
