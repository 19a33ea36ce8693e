"""What was measured, and what follows from it."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

_LATE_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Measurement:
    """One peer in one round.

    Args:
        latencies_ms: Of each saga under load, from submission to its end.
        latency_alone_ms: The median where one saga is open at a time.
        cpu_ms_per_operation: Processor time by what the process is for.
        queue: Where work was offered at a rate: how many were due and had not ended, each second.
        latency_spaced_ms: The median where one saga comes every 200 ms.
        are_waits: How long a saga had to wait at most is what was asked.
        wrong: In what the effects differ from what was asked, where it is told and no more.
    """

    operations_per_s: float
    latencies_ms: list[float]
    latency_alone_ms: float
    cpu_ms_per_operation: dict[str, float]
    queue: list[int] = field(default_factory=list)
    latency_spaced_ms: float | None = None
    are_waits: bool = False
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """One peer under one setting of an experiment, over all rounds.

    Lists have a number for each round.

    Args:
        latency_ms: `p50` and `p99` under load; `alone_p50` with one saga open at a time, and
            `spaced_p50` with one every 200 ms; `added_alone_p50` and `added_spaced_p50`, by how
            much that is more than the floor's in the same round. Where waits were asked for:
            `longest`, and `over_1s_percent`, how many of a hundred took longer than a second.
        queue: A list for each round: see `Measurement`.
        wrong: The same.
        unavailable: Why there are no numbers.
        taken: When, where, with which versions and by which command.
    """

    experiment: str
    peer: str
    setting: dict[str, Any]
    durable_steps: int = 0
    set_up: str = ""
    operations_per_s: list[float] = field(default_factory=list)
    durable_steps_per_s: list[float] = field(default_factory=list)
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms_per_operation: dict[str, list[float]] = field(default_factory=dict)
    queue: list[list[int]] = field(default_factory=list)
    wrong: list[list[str]] = field(default_factory=list)
    unavailable: str | None = None
    taken: dict[str, Any] = field(default_factory=dict)

    def add(self, measured: Measurement, floor: Measurement | None) -> None:
        """Add a round."""
        self.operations_per_s.append(round(measured.operations_per_s, 2))
        steps_per_s = measured.operations_per_s * self.durable_steps
        self.durable_steps_per_s.append(round(steps_per_s, 1))
        alone_ms = measured.latency_alone_ms
        numbers = {
            "p50": percentile(measured.latencies_ms, 50),
            "p99": percentile(measured.latencies_ms, 99),
            "alone_p50": alone_ms,
        }
        spaced_ms = measured.latency_spaced_ms
        if spaced_ms is not None:
            numbers["spaced_p50"] = spaced_ms
        if floor is not None:
            numbers["added_alone_p50"] = alone_ms - floor.latency_alone_ms
        if floor is not None and spaced_ms is not None and floor.latency_spaced_ms is not None:
            numbers["added_spaced_p50"] = spaced_ms - floor.latency_spaced_ms
        if measured.are_waits:
            late = sum(latency_ms > _LATE_MS for latency_ms in measured.latencies_ms)
            numbers["longest"] = max(measured.latencies_ms)
            numbers["over_1s_percent"] = 100 * late / len(measured.latencies_ms)
            self.wrong.append(measured.wrong)
        for name, number in numbers.items():
            self.latency_ms.setdefault(name, []).append(round(number, 2))
        for name, number in measured.cpu_ms_per_operation.items():
            self.cpu_ms_per_operation.setdefault(name, []).append(round(number, 3))
        if measured.queue:
            self.queue.append(measured.queue)

    @property
    def cpu_total_ms(self) -> list[float]:
        """Processor time of everything together, a number for each round."""
        return [sum(numbers) for numbers in zip(*self.cpu_ms_per_operation.values(), strict=True)]


def percentile(numbers: Sequence[float], percent: float) -> float:
    """Return the smallest number that so many percent of all are not above (nearest rank)."""
    ordered = sorted(numbers)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Return one list over another, round by round; nothing where rounds are missing."""
    if len(of) != len(to):
        return []
    return [round(own / other, 3) for own, other in zip(of, to, strict=True)]


def grows(queue: Sequence[int]) -> bool:
    """Whether a queue grew: its last quarter is half as long again as its second, or longer.

    The first quarter does not count: a queue has to fill before it can be steady.
    """
    quarter = len(queue) // 4
    if quarter == 0:
        return False
    second, last = queue[quarter : 2 * quarter], queue[-quarter:]
    return statistics.mean(last) > 1.5 * statistics.mean(second)


def spread(numbers: Sequence[float], digits: int = 0) -> str:
    """Return `median (min-max)`, or a dash where there is nothing."""
    if not numbers:
        return "-"
    middle = statistics.median(numbers)
    if len(numbers) == 1:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} ({min(numbers):,.{digits}f}-{max(numbers):,.{digits}f})"


def write(path: Path, results: Sequence[Result]) -> None:
    """Write results, and keep those of experiments that were not run this time."""
    kept = [] if not path.exists() else read(path)
    ran = {result.experiment for result in results}
    merged = [result for result in kept if result.experiment not in ran] + list(results)
    path.write_text(json.dumps([asdict(result) for result in merged], indent=1) + "\n")


def read(path: Path) -> list[Result]:
    """Read what `write` wrote."""
    return [Result(**found) for found in json.loads(path.read_text())]
