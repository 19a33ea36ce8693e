"""Takes a file of payments in: batch by batch, in the file's order.

Rows are known by their reference, so that the same file again adds nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from perdure.core.errors import InvalidInput, PerdureError
from perdure.operations.model import Operation
from perdure.operations.service import OperationService
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.contracts import KIND
from perdure.payments.import_file import COLUMN_OF_PARAM, BadRow, ImportRow
from perdure.payments.import_outcomes import REJECTED, RowOutcome, Statuses
from perdure.storage.outages import does_not_fit, wait_out
from perdure.storage.pool import Pool

BATCH_ROWS: Final = 200
"""Rows accepted in one commit, where lanes carry them out."""
BATCH_ROWS_OWN_WORKFLOWS: Final = 16
"""As many as workflows are started at a time."""

_RUN_LANES_EVERY_S: Final = 2.0
"""Each time adds to the lanes' histories, and a million rows are five thousand batches."""


class PaymentImport:
    """Takes rows in, and has them carried out.

    Args:
        actor: Who imports, for the trail.
        lanes: Over how many lanes the rows are spread; None: each has a workflow of its own.
    """

    def __init__(
        self,
        pool: Pool,
        operations: OperationService,
        payments: PaymentAcceptance,
        *,
        actor: str,
        lanes: int | None,
    ) -> None:
        self._pool = pool
        self._operations = operations
        self._payments = payments
        self._actor = actor
        self._lanes = lanes
        self._lanes_to_run: set[int] = set()
        self._more = asyncio.Event()

    async def take_in(self, rows: Sequence[ImportRow | BadRow]) -> list[RowOutcome]:
        """Accept rows in one commit; returns what became of each, in their order.

        Of two rows with one reference, the first in the file is the one that counts.

        Raises:
            ProviderUnavailable: `database_away`, for too long.
        """
        found = await self._accept([row for row in rows if isinstance(row, ImportRow)])
        await self._set_going([one for one in found if isinstance(one, Operation)])
        answers = iter(found)
        return [
            _outcome_of_bad(row) if isinstance(row, BadRow) else _outcome(row, next(answers))
            for row in rows
        ]

    @asynccontextmanager
    async def running_lanes(self) -> AsyncIterator[None]:
        """Have the lanes run to which rows are added, until the context ends.

        Beside what is inside, so that an engine that is away does not hold it up.
        """
        running = asyncio.create_task(self._run_lanes())
        try:
            yield
            if self._more.is_set():
                await self._run_lanes_once()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def statuses(self, payment_ids: list[str]) -> Statuses:
        """Return the payments' status and failure, by id."""
        rows = await wait_out(
            lambda: self._pool.fetch(
                "SELECT id, status, failure FROM operations WHERE id = ANY($1)", payment_ids
            )
        )
        return {row["id"]: (row["status"], row["failure"]) for row in rows}

    async def _accept(self, rows: Sequence[ImportRow]) -> list[Operation | PerdureError]:
        if not rows:
            return []
        try:
            return await wait_out(lambda: self._accept_together(rows))
        except Exception as error:
            if not does_not_fit(error):
                raise
            if len(rows) > 1:
                return [one for row in rows for one in await self._accept([row])]
            return [InvalidInput(f"The database does not take the row: {error}.")]

    async def _accept_together(self, rows: Sequence[ImportRow]) -> list[Operation | PerdureError]:
        lanes = [None if self._lanes is None else row.line % self._lanes for row in rows]
        async with self._operations.transaction() as connection:
            return await self._payments.accept_many(
                connection, [row.request for row in rows], actor=self._actor, lanes=lanes
            )

    async def _set_going(self, operations: Sequence[Operation]) -> None:
        """Have lanes run, or start workflows; what is not started in time the janitor starts."""
        open_ones = [operation for operation in operations if not operation.is_finished]
        lanes = {operation.lane for operation in open_ones if operation.lane is not None}
        if lanes:
            self._lanes_to_run |= lanes
            self._more.set()
        if self._lanes is None:
            await asyncio.gather(*(self._launch(operation) for operation in open_ones))

    async def _launch(self, operation: Operation) -> None:
        await wait_out(lambda: self._operations.launch(operation))

    async def _run_lanes(self) -> None:
        while True:
            await self._more.wait()
            await self._run_lanes_once()
            await asyncio.sleep(_RUN_LANES_EVERY_S)

    async def _run_lanes_once(self) -> None:
        self._more.clear()
        await self._operations.run_lanes(KIND, sorted(self._lanes_to_run))


def _outcome(row: ImportRow, found: Operation | PerdureError) -> RowOutcome:
    reference = row.request.reference or ""
    if isinstance(found, Operation):
        failure = found.failure
        return RowOutcome(
            row.line,
            reference,
            found.id,
            found.status,
            failure.code if failure else None,
            failure.message if failure else None,
        )
    column = COLUMN_OF_PARAM.get(found.param, found.param) if found.param else None
    return RowOutcome(row.line, reference, None, REJECTED, found.code, found.message, column)


def _outcome_of_bad(row: BadRow) -> RowOutcome:
    return RowOutcome(row.line, row.reference, None, REJECTED, row.code, row.message, row.field)
