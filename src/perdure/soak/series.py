"""What is measured again and again, and the file it is kept in."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Measure(StrEnum):
    """What is measured, with its unit."""

    MEMORY = "memory_mib"
    """What only this process and its children have (USS), or, where that is not to be read, RSS."""
    RESIDENT = "resident_mib"
    """With what it shares (RSS); of several processes the shared part counts several times."""
    HANDLES = "handles"
    """Open files and sockets."""
    THREADS = "threads"
    CONNECTIONS = "connections"
    """At the database."""
    AGE = "age_s"
    """Of the oldest in a queue; 0: it is empty."""
    LENGTH = "length"
    """How many are in a queue."""


OF_PROCESSES = frozenset({Measure.MEMORY, Measure.RESIDENT, Measure.HANDLES, Measure.THREADS})


@dataclass(frozen=True, slots=True)
class Series:
    """What is measured of whom: of a process or a queue, by its name."""

    measure: Measure
    subject: str

    @property
    def column(self) -> str:
        """Its name in the file."""
        return f"{self.measure}.{self.subject}"


@dataclass(frozen=True, slots=True)
class Sample:
    """All series at one moment; what could not be measured is not in it.

    Args:
        at_s: Since the beginning of the steady load.
        pids: The processes that ran, by name.
    """

    at_s: float
    pids: dict[str, int] = field(default_factory=dict)
    values: dict[Series, float] = field(default_factory=dict)


class SampleFile:
    """A CSV file with a line for each sample; on the disk after each one.

    The first sample decides which columns there are.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: list[str] = []

    def append(self, sample: Sample) -> None:
        """Write a sample."""
        row = _row(sample)
        if not self._columns:
            self._columns = list(row)
            self._write([dict(zip(row, row, strict=True))], "w")
        self._write([row], "a")

    def _write(self, rows: Iterable[dict[str, Any]], mode: str) -> None:
        with self._path.open(mode, newline="") as file:
            csv.DictWriter(file, self._columns, extrasaction="ignore").writerows(rows)


def _row(sample: Sample) -> dict[str, Any]:
    return {
        "at_s": round(sample.at_s, 1),
        **{f"pid.{name}": pid for name, pid in sample.pids.items()},
        **{series.column: round(value, 2) for series, value in sample.values.items()},
    }
