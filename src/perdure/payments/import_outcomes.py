"""What became of each row of a file, kept on disk: memory does not grow with the file."""

import asyncio
import csv
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

from perdure.operations.model import FINISHED, Status

REJECTED: Final = "rejected"
"""The status of a row that did not become a payment."""

REPORT_COLUMNS: Final = (
    "line",
    "reference",
    "payment_id",
    "status",
    "failure_code",
    "failure_message",
)

_SETTLED: Final = FINISHED | {Status.NEEDS_ATTENTION, REJECTED}
"""What is not waited for: one that needs attention waits for a person."""

_BATCH: Final = 500
_POLL_INTERVAL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a row.

    Args:
        payment_id: None for one that was rejected.
        status: The operation's, or `rejected`.
        field: The column at fault, of one that was rejected.
    """

    line: int
    reference: str
    payment_id: str | None
    status: str
    failure_code: str | None = None
    failure_message: str | None = None
    field: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.status in _SETTLED

    @property
    def report_row(self) -> tuple[object, ...]:
        """The row of the report, as `REPORT_COLUMNS` names its fields."""
        message = self.failure_message or ""
        return (
            self.line,
            self.reference,
            self.payment_id or "",
            self.status,
            self.failure_code or "",
            f"{self.field}: {message}" if self.field else message,
        )


Statuses = dict[str, tuple[str, dict[str, Any] | None]]
"""Payments' status and failure, by id."""

AskStatuses = Callable[[list[str]], Awaitable[Statuses]]


@dataclass(slots=True)
class _Chunk:
    """Some rows that follow each other in the spool.

    Args:
        offset: Where the first begins.
        rows: How many.
        settled: How many of them were settled at the last look.
    """

    offset: int
    rows: int = 0
    settled: int = 0


class OutcomeSpool:
    """Keeps rows' outcomes in a file, and asks after those still open, a batch at a time."""

    def __init__(self, file: TextIO, ask_statuses: AskStatuses) -> None:
        self._file = file
        self._ask_statuses = ask_statuses
        self._writer = csv.writer(file)
        self._chunks: list[_Chunk] = []

    def add(self, outcome: RowOutcome) -> None:
        """Add a row's outcome, so far; all are added before the first is asked after."""
        if not self._chunks or self._chunks[-1].rows >= _BATCH:
            self._chunks.append(_Chunk(self._file.tell()))
        self._chunks[-1].rows += 1
        self._writer.writerow(
            (
                outcome.line,
                outcome.reference,
                outcome.payment_id,
                outcome.status,
                outcome.failure_code,
                outcome.failure_message,
                outcome.field,
            )
        )

    async def wait(self, on_progress: Callable[[int], None]) -> None:
        """Ask until every row is settled.

        Args:
            on_progress: Told how many rows are, of all.
        """
        unsettled = deque(self._chunks)
        total = 0
        while unsettled:
            before = total
            for _ in range(len(unsettled)):
                chunk = unsettled.popleft()
                settled = sum(outcome.is_settled for outcome in await self._look(chunk))
                total += settled - chunk.settled
                chunk.settled = settled
                on_progress(total)
                if settled < chunk.rows:
                    unsettled.append(chunk)
            if unsettled and total == before:
                # Nothing moved: the more there is to ask after, the longer the pause.
                await asyncio.sleep(_POLL_INTERVAL_S * (1 + len(unsettled) / 4))

    async def outcomes(self) -> AsyncIterator[RowOutcome]:
        """Return what became of every row, as it stands, in their order."""
        for chunk in self._chunks:
            for outcome in await self._look(chunk):
                yield outcome

    async def _look(self, chunk: _Chunk) -> list[RowOutcome]:
        outcomes = self._read(chunk)
        ids = [outcome.payment_id for outcome in outcomes if outcome.payment_id]
        statuses = await self._ask_statuses(ids) if ids else {}
        return [_as_it_stands(outcome, statuses) for outcome in outcomes]

    def _read(self, chunk: _Chunk) -> list[RowOutcome]:
        self._file.seek(chunk.offset)
        reader = csv.reader(iter(self._file.readline, ""))
        return [_outcome(next(reader)) for _ in range(chunk.rows)]


def _outcome(values: list[str]) -> RowOutcome:
    line, reference, payment_id, status, code, message, field = values
    return RowOutcome(
        int(line),
        reference,
        payment_id or None,
        status,
        code or None,
        message or None,
        field or None,
    )


def _as_it_stands(outcome: RowOutcome, statuses: Statuses) -> RowOutcome:
    if outcome.payment_id is None:
        return outcome
    status, failure = statuses[outcome.payment_id]
    failure = failure or {}
    return replace(
        outcome,
        status=status,
        failure_code=failure.get("code"),
        failure_message=failure.get("message"),
    )


@contextmanager
def open_spool(ask_statuses: AskStatuses) -> Iterator[OutcomeSpool]:
    """Open a spool where temporary files are kept; it is gone at the end."""
    with tempfile.TemporaryFile("w+", newline="", encoding="utf-8") as file:
        yield OutcomeSpool(file, ask_statuses)


async def write_report(
    outcomes: AsyncIterator[RowOutcome], path: Path, on_row: Callable[[RowOutcome], None]
) -> None:
    """Write the report: the whole of it under its name, or nothing."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(REPORT_COLUMNS)
            async for outcome in outcomes:
                on_row(outcome)
                writer.writerow(outcome.report_row)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
