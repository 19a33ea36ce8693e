"""What became of each row of a file, kept on disk: memory does not grow with the file."""

import asyncio
import csv
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from perdure.core.csv_records import harmless
from perdure.core.errors import InvalidInput
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

_ENDED: Final = FINISHED | {REJECTED}
_SETTLED: Final = _ENDED | {Status.NEEDS_ATTENTION}
"""What is not waited for: one that needs attention waits for a person."""

_PAGE: Final = 500
_PAUSE_S_MIN: Final = 0.5
_PAUSE_S_MAX: Final = 10.0
_SHARE: Final = 0.2
"""How much of the time is spent on looking, at most."""


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
        """The row of the report, as `REPORT_COLUMNS` names its fields; no spreadsheet runs it."""
        message = self.failure_message or ""
        cells = (
            self.line,
            self.reference,
            self.payment_id or "",
            self.status,
            self.failure_code or "",
            f"{self.field}: {message}" if self.field else message,
        )
        return tuple(harmless(cell) for cell in cells)


_FIELDS: Final = tuple(field.name for field in fields(RowOutcome))

Statuses = dict[str, tuple[str, dict[str, Any] | None]]
"""Payments' status and failure, by id."""

AskStatuses = Callable[[list[str]], Awaitable[Statuses]]


_TABLE: Final = (
    "CREATE TABLE outcomes (line INTEGER PRIMARY KEY, reference TEXT, payment_id TEXT, status TEXT,"
    " failure_code TEXT, failure_message TEXT, field TEXT, open INTEGER)"
)


class OutcomeStore:
    """Keeps rows' outcomes in a file of SQLite's own, by line.

    Attributes:
        rows: How many there are.
        settled: How many of them nothing is waited for, by status.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.rows = 0
        self.settled: Counter[str] = Counter()
        # Nothing of it is read after a crash: the next run begins anew.
        for command in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA cache_size = -2000",
            _TABLE,
            "CREATE INDEX open_outcomes ON outcomes (line) WHERE open",
        ):
            database.execute(command)

    @property
    def accepted(self) -> int:
        """How many rows are payments."""
        return self.rows - self.settled[REJECTED]

    @property
    def ended(self) -> int:
        """How many of the payments came to their end."""
        return sum(self.settled[status] for status in FINISHED)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.rows == self.settled.total()

    def add(self, outcomes: Sequence[RowOutcome]) -> None:
        """Add further rows."""
        self._write(
            f"INSERT INTO outcomes ({', '.join(_FIELDS)}, open) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*astuple(outcome), not outcome.is_settled) for outcome in outcomes],
        )
        self.rows += len(outcomes)
        self.settled.update(outcome.status for outcome in outcomes if outcome.is_settled)

    def settle(self, outcomes: Sequence[RowOutcome]) -> None:
        """Replace rows that were open by what became of them."""
        self._write(
            "UPDATE outcomes SET status = ?, failure_code = ?, failure_message = ?, open = 0"
            " WHERE line = ?",
            [
                (outcome.status, outcome.failure_code, outcome.failure_message, outcome.line)
                for outcome in outcomes
            ],
        )
        self.settled.update(outcome.status for outcome in outcomes)

    def page(self, *, after_line: int, only_open: bool = False) -> list[RowOutcome]:
        """Return the next rows beyond a line, in their order, at most five hundred."""
        condition = "line > ? AND open" if only_open else "line > ?"
        return [
            RowOutcome(*row)
            for row in self._database.execute(
                f"SELECT {', '.join(_FIELDS)} FROM outcomes WHERE {condition}"
                f" ORDER BY line LIMIT {_PAGE}",
                (after_line,),
            )
        ]

    def pages(self, *, only_open: bool = False) -> Iterator[list[RowOutcome]]:
        """Return all rows, page by page."""
        line = 0
        while page := self.page(after_line=line, only_open=only_open):
            yield page
            line = page[-1].line

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


@contextmanager
def open_outcomes() -> Iterator[OutcomeStore]:
    """Open a store where temporary files are kept; however the process ends, it is gone then."""
    # SQLite keeps a database without a name in a file that has no name either.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        yield OutcomeStore(database)


class OutcomeFollower:
    """Sees rows come to their end."""

    def __init__(self, outcomes: OutcomeStore, ask_statuses: AskStatuses) -> None:
        self._outcomes = outcomes
        self._ask_statuses = ask_statuses
        self._next_look_at = 0.0

    async def look_if_due(self) -> None:
        """Look, unless the last look was only just."""
        if time.monotonic() >= self._next_look_at:
            await self._look()

    async def follow(self) -> None:
        """Look until every row is settled."""
        while not self._outcomes.is_settled:
            await asyncio.sleep(self._next_look_at - time.monotonic())
            await self._look()

    async def refreshed(self, page: Sequence[RowOutcome]) -> list[RowOutcome]:
        """Return rows as they stand now."""
        ids = {row.payment_id for row in page if row.payment_id and row.status not in _ENDED}
        statuses = await self._ask_statuses(sorted(ids)) if ids else {}
        return [_as_it_stands(row, statuses) for row in page]

    async def _look(self) -> None:
        """Ask after the open rows, the first in the file first."""
        began = time.monotonic()
        for page in self._outcomes.pages(only_open=True):
            found = await self.refreshed(page)
            self._outcomes.settle([row for row in found if row.is_settled])
            # The oldest are carried out first: where a whole page has not begun, none behind has.
            if all(row.status == Status.PENDING for row in found):
                break
        now = time.monotonic()
        pause_s = (now - began) * (1 / _SHARE - 1)
        self._next_look_at = now + min(max(pause_s, _PAUSE_S_MIN), _PAUSE_S_MAX)


def _as_it_stands(outcome: RowOutcome, statuses: Statuses) -> RowOutcome:
    if outcome.payment_id is None or outcome.payment_id not in statuses:
        return outcome
    status, failure = statuses[outcome.payment_id]
    failure = failure or {}
    return replace(
        outcome,
        status=status,
        failure_code=failure.get("code"),
        failure_message=failure.get("message"),
    )


def check_writable(report: Path) -> None:
    """Refuse a place where no report can be written, before there is anything to report.

    Raises:
        InvalidInput: Names the option.
    """
    partial = _partial(report)
    try:
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise InvalidInput(
            f"The outcomes cannot be written to {report}: {error.strerror}.", param="--report"
        ) from error
    if report.is_dir():
        raise InvalidInput(f"{report} is a folder; name a file.", param="--report")


def _partial(report: Path) -> Path:
    return report.with_name(f".{report.name}.partial")


async def write_report(
    outcomes: OutcomeStore,
    follower: OutcomeFollower,
    path: Path,
    on_row: Callable[[RowOutcome], None],
) -> None:
    """Write what became of each row: the whole report under its name, or nothing."""
    partial = _partial(path)
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(REPORT_COLUMNS)
            for page in outcomes.pages():
                for outcome in await follower.refreshed(page):
                    on_row(outcome)
                    writer.writerow(outcome.report_row)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
