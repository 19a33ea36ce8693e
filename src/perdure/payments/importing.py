"""Takes a file of payments in: row by row, a few at a time, in the file's order.

Rows are known by their reference, so that the same file again adds nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, TypeVar

import asyncpg

from perdure.core.errors import PerdureError, ProviderError, ProviderUnavailable
from perdure.operations.model import Operation
from perdure.operations.service import OperationService
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.contracts import PaymentRequest
from perdure.payments.import_file import COLUMN_OF_PARAM, BadRow, ImportRow
from perdure.payments.import_outcomes import REJECTED, RowOutcome, Statuses
from perdure.storage.pool import Pool

_AWAY_S_MAX: Final = 300.0
"""How long a database that is away is waited for."""

CONNECTION_LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What a statement meets on a connection whose server has just said that it ends.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What is raised where the database is away."""

Result = TypeVar("Result")


async def wait_out(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Try until the database answers; what is tried has to be harmless to repeat.

    Raises:
        ProviderUnavailable: `database_away`: it did not for five minutes.
    """
    deadline = asyncio.get_running_loop().time() + _AWAY_S_MAX
    pause_s = 0.2
    while True:
        try:
            return await attempt()
        except CONNECTION_LOST as error:
            if isinstance(error, asyncpg.DataError):
                raise  # a value that does not fit its column, whatever its base class says
            if asyncio.get_running_loop().time() > deadline:
                raise ProviderUnavailable(
                    "The database has been away for five minutes. Import the same file again when"
                    " it is back: what was accepted is not accepted twice.",
                    code="database_away",
                ) from error
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)


class PaymentImport:
    """Takes rows in.

    Args:
        actor: Who imports, for the trail.
        concurrency: How many rows are taken in at a time.
    """

    def __init__(
        self,
        pool: Pool,
        operations: OperationService,
        payments: PaymentAcceptance,
        *,
        actor: str,
        concurrency: int = 16,
    ) -> None:
        self._pool = pool
        self._operations = operations
        self._payments = payments
        self._actor = actor
        self._concurrency = concurrency

    async def take_in(self, rows: Iterable[ImportRow | BadRow]) -> AsyncIterator[RowOutcome]:
        """Accept rows, a few at a time; returns what became of each, in their order.

        Of two rows with one reference, the first in the file is the one that counts.
        """
        window: deque[asyncio.Task[RowOutcome]] = deque()
        latest: dict[tuple[str, str | None], asyncio.Task[RowOutcome]] = {}
        try:
            for row in rows:
                if len(window) >= self._concurrency:
                    yield await window.popleft()
                    latest = {key: task for key, task in latest.items() if not task.done()}
                key = _key(row)
                task = asyncio.create_task(self._take_in(row, latest.get(key)))
                window.append(task)
                latest[key] = task
            while window:
                yield await window.popleft()
        finally:
            for task in window:
                task.cancel()
            await asyncio.gather(*window, return_exceptions=True)

    async def _take_in(
        self, row: ImportRow | BadRow, earlier: asyncio.Task[RowOutcome] | None
    ) -> RowOutcome:
        if isinstance(row, BadRow):
            return RowOutcome(
                row.line, row.reference, None, REJECTED, row.code, row.message, row.field
            )
        if earlier is not None:
            await asyncio.wait([earlier])
        request, reference = row.request, row.request.reference or ""
        try:
            operation = await wait_out(lambda: self._accept(request))
        except ProviderError:
            raise
        except PerdureError as error:
            column = COLUMN_OF_PARAM.get(error.param, error.param) if error.param else None
            return RowOutcome(
                row.line, reference, None, REJECTED, error.code, error.message, column
            )
        # One that is not started in time is started by the janitor.
        await wait_out(lambda: self._operations.launch(operation))
        return RowOutcome(row.line, reference, operation.id, operation.status)

    async def statuses(self, payment_ids: list[str]) -> Statuses:
        """Return the payments' status and failure, by id."""
        rows = await wait_out(
            lambda: self._pool.fetch(
                "SELECT id, status, failure FROM operations WHERE id = ANY($1)", payment_ids
            )
        )
        return {row["id"]: (row["status"], row["failure"]) for row in rows}

    async def _accept(self, request: PaymentRequest) -> Operation:
        async with self._operations.transaction() as connection:
            return await self._payments.accept(connection, request, actor=self._actor)


def _key(row: ImportRow | BadRow) -> tuple[str, str | None]:
    if isinstance(row, BadRow):
        return ("", f"line {row.line}")
    return (row.request.customer_id, row.request.reference)
