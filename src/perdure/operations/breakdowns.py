"""Operations that broke down for good: kept with the commit that says so, until they were told of.

A business's no is none: not enough money, a card that is declined, a request to cancel, a charge
that nobody confirmed in time. What a person has to look at is one, and what failed by a defect, or
because somebody was away for longer than it is waited for.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from perdure.core import errors
from perdure.core.errors import ANSWERS, OperationParked, PerdureError
from perdure.operations.model import Failure, Status
from perdure.storage.pool import Connection, Pool, transaction

KEPT: Final = timedelta(days=1)
"""How long one is kept that nobody is told of."""

AWAY: Final = "_unavailable"
"""What the code of whoever was away for too long ends with."""

_CODES: Final = frozenset(
    {
        *(
            found.code
            for found in vars(errors).values()
            if isinstance(found, type)
            and issubclass(found, PerdureError)
            and not issubclass(found, ANSWERS)
        ),
        errors.CREDENTIALS_REFUSED,
        errors.CALL_UNDER_WAY,
        *("timed_out", "step_input_changed", "provider_rejected_request"),
    }
)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """An operation that broke down.

    Args:
        id: Of this breakdown: an operation that goes on may have another.
        attempt: Of the step, as far as it was counted.
        raised: The defect's type and where it was raised; None: it was none.
    """

    id: int
    operation_id: str
    kind: str
    status: str
    code: str
    step: str | None
    at: datetime
    traceparent: str | None
    attempt: int | None
    raised: dict[str, Any] | None


def is_breakdown(status: Status, failure: Failure | None) -> bool:
    """Whether an operation that takes this status has broken down."""
    if failure is None:
        return False
    if status == Status.NEEDS_ATTENTION:
        return failure.code != OperationParked.code
    return status == Status.FAILED and (failure.code in _CODES or failure.code.endswith(AWAY))


async def keep(
    connection: Connection, operation_id: str, status: Status, failure: Failure | None
) -> None:
    """Keep that an operation breaks down, if it does by taking this status, in that very commit."""
    if failure is not None and is_breakdown(status, failure):
        await connection.execute(
            "INSERT INTO operation_breakdowns (operation_id, status, code, step)"
            " VALUES ($1, $2, $3, $4)",
            operation_id,
            status.value,
            failure.code,
            # Workflows put the kind before a step's name, and its attempts do not.
            failure.step and failure.step.rpartition(".")[2],
        )


@asynccontextmanager
async def taken(pool: Pool, *, limit: int) -> AsyncIterator[list[Breakdown]]:
    """Take breakdowns, the oldest first; they are gone once the context ends without an error.

    What another process has taken is left out.
    """
    async with transaction(pool) as connection:
        rows = await connection.fetch(_TAKE, limit)
        yield [Breakdown(**dict(row)) for row in rows]
        await _forget(connection, [row["id"] for row in rows])


async def _forget(connection: Connection, ids: Sequence[int]) -> None:
    await connection.execute("DELETE FROM operation_breakdowns WHERE id = ANY($1)", ids)


async def forget_old(pool: Pool) -> None:
    """Forget what nobody was told of in time: nobody is, where no error tracker is set."""
    await pool.execute("DELETE FROM operation_breakdowns WHERE at < now() - $1::interval", KEPT)


_TAKE: Final = """
SELECT found.id, operation_id, kind, found.status, found.code,
    coalesce(made.step, found.step) AS step, found.at, traceparent, made.attempt, made.raised
FROM (
    SELECT * FROM operation_breakdowns ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
) AS found
    JOIN operations ON operations.id = operation_id
    LEFT JOIN LATERAL (
        SELECT step, attempt, raised FROM operation_steps
        WHERE operation_steps.operation_id = found.operation_id
            AND outcome IN ('failed', 'unknown') AND started_at <= found.at
            AND (found.step IS NULL OR operation_steps.step = found.step)
        ORDER BY operation_steps.id DESC LIMIT 1
    ) AS made ON true
ORDER BY found.id
"""
