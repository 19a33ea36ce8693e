"""Has the API take a file of payments in: batch by batch, some at a time, in the file's order.

Rows are known by their reference, so that the same file again adds nothing, nor does a batch that
is sent again because its answer was lost.
"""

import asyncio
import json
import os
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Protocol

from perdure.cli.api_client import ApiError
from perdure.cli.input_file import open_input
from perdure.cli.output import err
from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier
from perdure.operations.model import Status
from perdure.payments.contracts import PaymentRequest
from perdure.payments.import_file import (
    COLUMN_OF_PARAM,
    BadRow,
    ImportRow,
    names_by_content,
    read_rows,
)
from perdure.payments.import_outcomes import (
    REJECTED,
    OutcomeFollower,
    RowOutcome,
    Statuses,
    check_writable,
    open_outcomes,
    write_report,
)
from perdure.payments.import_progress import LOGGED_EVERY_S, ImportDisplay, ImportProgress

PATIENCE_S: Final = 300.0
"""How long an API is waited for that cannot answer, in the middle of a file."""
LANES_FROM_ROWS: Final = 50
"""So few rows are somebody's who watches: a workflow each begins at once, and shows every step."""
BATCH_ROWS: Final = 200
"""Rows accepted in one commit, where lanes carry them out."""
BATCH_ROWS_OWN_WORKFLOWS: Final = 16
"""As many as workflows are started at a time."""

_AT_ONCE: Final = 3
"""Batches under way: one is read or written down here while the API has others."""
_BODY_BYTES_MAX: Final = 400_000
"""Less than an API takes that is not set to take less."""
_TOO_LARGE: Final = 413
_REJECTED_SHOWN_MAX: Final = 20

Row = ImportRow | BadRow
_Name = tuple[str, str]


class Client(Protocol):
    """A connection to the API; as `ApiClient`."""

    def post(self, path: str, body: Mapping[str, object], *, with_key: bool = True) -> Any:
        """Have something done; returns the answer."""
        ...

    def close(self) -> None:
        """Ask no more."""
        ...


@dataclass(slots=True)
class ImportSummary:
    """What became of a file's rows.

    Args:
        rejected: The first of those that did not become payments.
    """

    rows: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    rejected: list[RowOutcome] = field(default_factory=list)

    def count(self, outcome: RowOutcome) -> None:
        """Count a row."""
        self.rows += 1
        self.by_status[outcome.status] += 1
        if outcome.status == REJECTED and len(self.rejected) < _REJECTED_SHOWN_MAX:
            self.rejected.append(outcome)

    @property
    def is_complete(self) -> bool:
        """Whether every row became a payment that needs nobody."""
        return not self.by_status[REJECTED] and not self.by_status[Status.NEEDS_ATTENTION]


async def import_payments(
    open_client: Callable[[], Client],
    path: Path,
    report: Path,
    *,
    wait: bool = True,
    own_workflows: bool = False,
    name_rows: bool = False,
    logged_every_s: float = LOGGED_EVERY_S,
) -> ImportSummary:
    """Take a file in, wait for its outcomes and write the report.

    Args:
        logged_every_s: How often its progress is told on stderr, where that is no terminal.

    Raises:
        InvalidInput: The file cannot be read, is not CSV, or its header is wrong; or the report
            cannot be written. Nothing was taken in.
        ApiError: The API says no to the whole of it, or was away for too long.
    """
    summary = ImportSummary()
    check_writable(report)
    with open_input(path) as file, open_outcomes() as outcomes:
        rows = read_rows(file, names_by_content(file) if name_rows else None)
        first = list(islice(rows, LANES_FROM_ROWS))
        in_lanes = len(first) == LANES_FROM_ROWS and not own_workflows
        progress = ImportProgress(outcomes, os.fstat(file.fileno()).st_size, wait)
        with closing(PaymentImport(open_client, own_workflows=not in_lanes)) as importer:
            follower = OutcomeFollower(outcomes, importer.statuses)
            async with ImportDisplay(err, logged_every_s=logged_every_s).showing(progress):
                batches = _batches(
                    chain(first, rows), BATCH_ROWS if in_lanes else BATCH_ROWS_OWN_WORKFLOWS
                )
                async with aclosing(importer.take_all_in(batches)) as taken_in:
                    async for found in taken_in:
                        outcomes.add(found)
                        progress.bytes_read = file.tell()
                        if wait:
                            await follower.look_if_due()
                progress.all_read = True
                if wait:
                    await follower.follow()
            await write_report(outcomes, follower, report, summary.count)
    return summary


class PaymentImport:
    """Has rows taken in, and asks after them.

    Args:
        own_workflows: Each has a workflow of its own; otherwise lanes carry them out.
    """

    def __init__(self, open_client: Callable[[], Client], *, own_workflows: bool) -> None:
        self._own_workflows = own_workflows
        self._asking = open_client()
        self._clients = [open_client() for _ in range(_AT_ONCE)]

    def close(self) -> None:
        """End what is under way; it is not sent again."""
        for client in (self._asking, *self._clients):
            client.close()

    async def take_all_in(
        self, batches: Iterable[list[Row]]
    ) -> AsyncGenerator[list[RowOutcome], None]:
        """Have batches taken in, some at a time; yields what became of their rows, in their order.

        Of two rows with one reference, the first in the file is the one that counts: a batch waits
        for those before it that have a reference of its own.
        """
        idle = deque(self._clients)
        under_way: deque[tuple[set[_Name], Client, asyncio.Task[list[RowOutcome]]]] = deque()
        try:
            for rows in batches:
                names = {_name(row) for row in rows if isinstance(row, ImportRow)}
                while not idle or any(names & earlier for earlier, _, _ in under_way):
                    yield await under_way[0][2]
                    idle.append(under_way.popleft()[1])
                client = idle.popleft()
                taking = asyncio.create_task(self._take_in(client, rows))
                under_way.append((names, client, taking))
            while under_way:
                yield await under_way[0][2]
                under_way.popleft()
        finally:
            for _, _, taking in under_way:
                taking.cancel()
            await asyncio.gather(*(taking for _, _, taking in under_way), return_exceptions=True)

    async def statuses(self, payment_ids: list[str]) -> Statuses:
        """Return the payments' status and failure, by id."""
        asking = partial(self._asking.post, "/v1/operations/statuses", {"ids": payment_ids})
        found = await asyncio.to_thread(asking, with_key=False)
        return {one["id"]: (one["status"], one["failure"]) for one in found["data"]}

    async def _take_in(self, client: Client, rows: Sequence[Row]) -> list[RowOutcome]:
        good = [row for row in rows if isinstance(row, ImportRow)]
        answers = iter(await asyncio.to_thread(self._post, client, good) if good else [])
        return [
            _outcome_of_bad(row) if isinstance(row, BadRow) else _outcome(row, next(answers))
            for row in rows
        ]

    def _post(self, client: Client, rows: Sequence[ImportRow]) -> list[Any]:
        """Have rows taken in, in parts where they are too large for one request."""
        items = [_item(row.request) for row in rows]
        if len(rows) == 1 or len(json.dumps(items)) <= _BODY_BYTES_MAX:
            try:
                body = {"items": items, "own_workflows": self._own_workflows}
                found: list[Any] = client.post("/v1/payments/batch", body, with_key=False)["data"]
                return found
            except ApiError as error:
                if error.status != _TOO_LARGE or len(rows) == 1:
                    raise
        half = len(rows) // 2
        return self._post(client, rows[:half]) + self._post(client, rows[half:])


def _batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(islice(rows, size)):
        yield batch


def _name(row: ImportRow) -> _Name:
    """Return what a row is known by; as it is written, where it is none: it is refused then."""
    request = row.request
    try:
        return (
            check_identifier("customer_id", request.customer_id),
            check_identifier("reference", request.reference or ""),
        )
    except InvalidInput:
        return request.customer_id, request.reference or ""


def _item(request: PaymentRequest) -> dict[str, Any]:
    """Return a payment as the API is asked for it: what is not said is left out."""
    return {
        name: {part: text for part, text in value.items() if text}
        if isinstance(value, dict)
        else value
        for name, value in asdict(request).items()
    }


def _outcome(row: ImportRow, found: Mapping[str, Any]) -> RowOutcome:
    failure = found["failure"] or {}
    param = failure.get("param") if found["id"] is None else None
    return RowOutcome(
        row.line,
        row.request.reference or "",
        found["id"],
        found["status"],
        failure.get("code"),
        failure.get("message"),
        COLUMN_OF_PARAM.get(param, param) if param else None,
    )


def _outcome_of_bad(row: BadRow) -> RowOutcome:
    return RowOutcome(row.line, row.reference, None, REJECTED, row.code, row.message, row.field)
