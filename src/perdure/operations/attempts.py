"""The attempt at a step that is under way, and its row for people in `operation_steps`.

A step that commits something writes its row inside that commit; `attempt.is_recorded` says so to
the activity interceptor, which writes the rows of all others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perdure.core.clock import utc_now
from perdure.core.errors import PerdureError
from perdure.core.raised import raised_in
from perdure.storage.group_commit import GroupCommit
from perdure.storage.outages import is_outage
from perdure.storage.pool import Connection, Pool


@dataclass(slots=True)
class Attempt:
    """One attempt at one step."""

    step: str
    number: int = 1
    started_at: datetime = field(default_factory=utc_now)
    is_recorded: bool = False


_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def current_attempt(step: str) -> Attempt:
    """Return the attempt under way, as one at this step; a first one where no activity runs it."""
    attempt = _current.get() or Attempt(step)
    attempt.step = step
    return attempt


@contextmanager
def attempt_under_way(attempt: Attempt) -> Iterator[Attempt]:
    """Make this the current attempt for what runs inside."""
    token = _current.set(attempt)
    try:
        yield attempt
    finally:
        _current.reset(token)


def attempt_begins() -> str:
    """Note that the attempt under way begins only now: it has waited for its turn.

    Returns its step.
    """
    attempt = _current.get()
    if attempt is None:
        return ""
    attempt.started_at = utc_now()
    return attempt.step


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return an error as it is kept in the rows: its code, its message, the field at fault."""
    if not isinstance(error, PerdureError):
        code = "database_away" if is_outage(error) else "internal_error"
        return {"code": code, "message": f"{type(error).__name__}: {error}", "param": None}
    described = {"code": error.code, "message": error.message, "param": error.param}
    asked_wait_s = getattr(error, "asked_wait_s", None)
    return described | ({"asked_wait_s": asked_wait_s} if asked_wait_s else {})


def _raised(error: BaseException | None) -> dict[str, Any] | None:
    """Return where a defect was raised; None: it is none."""
    is_foreseen = error is None or isinstance(error, PerdureError) or is_outage(error)
    return None if error is None or is_foreseen else raised_in(error)


async def record_attempt(
    connection: Connection | Pool,
    operation_id: str,
    attempt: Attempt,
    *,
    outcome: str,
    error: BaseException | None = None,
    provider_reference: str | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Write the finished attempt's row; it is finished now where nothing else is said.

    An id without an operation (a workflow of the same shape started by hand) writes nothing.
    """
    attempt.is_recorded = True
    await connection.execute(
        "INSERT INTO operation_steps (operation_id, step, attempt, outcome, error,"
        " provider_reference, started_at, finished_at, raised)"
        " SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM operations WHERE id = $1",
        operation_id,
        attempt.step,
        attempt.number,
        outcome,
        describe_error(error) if error else None,
        provider_reference,
        attempt.started_at,
        finished_at or utc_now(),
        _raised(error),
    )


async def open_attempt(pool: Pool, operation_id: str, attempt: Attempt) -> int | None:
    """Write the row of an attempt that begins; returns its id, None without an operation."""
    row_id: int | None = await pool.fetchval(
        "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at)"
        " SELECT id, $2, $3, 'running', $4 FROM operations WHERE id = $1 RETURNING id",
        operation_id,
        attempt.step,
        attempt.number,
        attempt.started_at,
    )
    return row_id


async def close_attempt(
    pool: Pool, row_id: int, *, outcome: str, error: BaseException | None = None
) -> None:
    """Complete the row of an attempt that ended."""
    await pool.execute(
        "UPDATE operation_steps SET outcome = $2, error = $3, finished_at = $4, raised = $5"
        " WHERE id = $1",
        row_id,
        outcome,
        describe_error(error) if error else None,
        utc_now(),
        _raised(error),
    )


async def forget_attempt(pool: Pool, row_id: int) -> None:
    """Remove the row of an attempt that did not begin after all: its turn had not come."""
    await pool.execute("DELETE FROM operation_steps WHERE id = $1", row_id)


class AttemptGroups:
    """Writes the rows of successful attempts that end at the same time together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._group: GroupCommit[tuple[str, Attempt, datetime], None] = GroupCommit(self._write)

    async def record_success(self, operation_id: str, attempt: Attempt) -> None:
        """Write the row of an attempt that has just succeeded; as `record_attempt`."""
        await self._group.submit((operation_id, attempt, utc_now()))
        attempt.is_recorded = True

    async def _write(self, ended: list[tuple[str, Attempt, datetime]]) -> Sequence[None]:
        await self._pool.execute(
            "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at,"
            " finished_at) SELECT id, step, attempt, 'succeeded', started_at, ended.finished_at"
            " FROM unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[],"
            " $5::timestamptz[]) AS ended (id, step, attempt, started_at, finished_at)"
            " JOIN operations USING (id)",
            [operation_id for operation_id, _, _ in ended],
            [attempt.step for _, attempt, _ in ended],
            [attempt.number for _, attempt, _ in ended],
            [attempt.started_at for _, attempt, _ in ended],
            [finished_at for _, _, finished_at in ended],
        )
        return [None] * len(ended)
