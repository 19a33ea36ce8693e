"""Judges whether what was measured stayed flat, without effects.

The first quarter of the time is for warming up. What was usual in the second (its median) is
compared with what was usual in the last.
"""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from perdure.soak.series import OF_PROCESSES, Measure, Sample, Series

QUARTERS: Final = 4
SAMPLES_MIN: Final = 8
"""Two in each quarter: one alone could be any odd moment."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may be noise: a factor of what there was, or an addition, whichever is more."""

    factor: float
    plus: float

    def most(self, before: float) -> float:
        """Return the most that counts as flat."""
        return max(before * self.factor, before + self.plus)


TOLERANCES: Final = {
    Measure.MEMORY: Tolerance(factor=1.1, plus=20),
    Measure.HANDLES: Tolerance(factor=1.1, plus=10),
    Measure.THREADS: Tolerance(factor=1.1, plus=10),
    Measure.CONNECTIONS: Tolerance(factor=1.0, plus=2),
    Measure.AGE: Tolerance(factor=2.0, plus=10),
    Measure.LENGTH: Tolerance(factor=2.0, plus=50),
}
"""Of what is judged; the rest is only written down."""

AGE_AFTER_RESTARTS: Final = Tolerance(factor=2.0, plus=40)
"""What a killed worker held is only given to another one when its 30 s are over."""

OF_CONNECTIONS: Final = frozenset({"database", "postgres"})
"""What grows with everybody's connections; those end with the process that has them, and return."""


class Verdict(StrEnum):
    """What is to be said of a series."""

    FLAT = "flat"
    GREW = "grew"
    MISSING = "missing"
    """It was measured at first, and not any more in a quarter that counts."""
    RESTARTED = "restarted"
    """Its process, or one it hangs on, is another one now, so there is nothing to compare."""
    BY_DESIGN = "by design"
    """It grew, and has to."""


WRONG: Final = frozenset({Verdict.GREW, Verdict.MISSING})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a series.

    Args:
        start: The median of the first quarter, in the measure's unit; None: it has no value.
        middle: That of the second; `end`: that of the last.
        most: What the end may be at most.
    """

    series: Series
    start: float | None
    middle: float | None
    end: float | None
    most: float | None
    verdict: Verdict


def judge(
    samples: Sequence[Sample], steady_s: float, *, keep_books: Set[str] = frozenset()
) -> list[Judgement]:
    """Return what became of each series that is judged, in the order of the measures.

    Args:
        samples: In the order of their time.
        steady_s: How long the steady load lasted.
        keep_books: Simulators that remember all they ever did: their memory grows by design.
    """
    quarters: list[list[Sample]] = [[] for _ in range(QUARTERS)]
    for sample in samples:
        quarters[min(int(sample.at_s / steady_s * QUARTERS), QUARTERS - 1)].append(sample)
    found = dict.fromkeys(series for sample in samples for series in sample.values)
    return [
        _judgement(series, tolerance, quarters, keep_books)
        for measure, tolerance in TOLERANCES.items()
        for series in found
        if series.measure == measure
    ]


def _judgement(
    series: Series,
    tolerance: Tolerance,
    quarters: Sequence[Sequence[Sample]],
    keep_books: Set[str],
) -> Judgement:
    start, middle, _, end = (_usual(series, quarter) for quarter in quarters)
    restarted = _restarted(quarters[1:])
    if restarted and series.measure == Measure.AGE:
        tolerance = AGE_AFTER_RESTARTS
    most = None if middle is None else tolerance.most(middle)
    if series.measure in OF_PROCESSES and series.subject in restarted:
        verdict = Verdict.RESTARTED
    elif most is None or end is None:
        verdict = Verdict.MISSING
    elif end <= most:
        verdict = Verdict.FLAT
    elif series.measure == Measure.MEMORY and series.subject in keep_books:
        verdict = Verdict.BY_DESIGN
    elif series.subject in OF_CONNECTIONS and restarted:
        verdict = Verdict.RESTARTED
    else:
        verdict = Verdict.GREW
    return Judgement(series, start, middle, end, most, verdict)


def _usual(series: Series, quarter: Sequence[Sample]) -> float | None:
    values = [sample.values[series] for sample in quarter if series in sample.values]
    return median(values) if values else None


def _restarted(quarters: Sequence[Sequence[Sample]]) -> set[str]:
    return set(restarts([sample for quarter in quarters for sample in quarter]))


def restarts(samples: Sequence[Sample]) -> Counter[str]:
    """Return how often each process was another one than in the sample before."""
    last: dict[str, int] = {}
    changes: Counter[str] = Counter()
    for before, sample in pairwise(samples):
        last |= before.pids
        changes.update(name for name, pid in sample.pids.items() if last.get(name, pid) != pid)
    return changes
