"""What the system before Perdure holds: a state machine in a table, of any kind.

What is in it is an operation like any other, in a lane that is not ours to run (`ELSEWHERE`, of
`operations.lanes.store`): customers and operators see no difference.

`internal_status` is what is to be done next. Each try at it is a `Turn`, given out by whoever looks
for what is due, and to be had by one runner once. All that a runner writes is a compare-and-set
under the row's lock: who comes late, or a second time, writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perdure.core.errors import Conflict
from perdure.operations import store
from perdure.operations.lanes import store as lanes
from perdure.operations.model import Operation
from perdure.storage.pool import Connection, Pool

RUN_S_MAX: Final = 60
"""A runner that has an operation for longer is taken to be dead."""

_HAS_TURN: Final = (
    "operation_id = $1 AND internal_status = $2 AND reconciliation_attempts = $3"
    " AND state = 'running'"
)


class TurnLost(Conflict):
    """The turn is another's by now, or over."""

    code = "legacy_turn_lost"


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to one try.

    Args:
        attempt: Which try at this status it is, from 1.
    """

    operation_id: str
    internal_status: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Held:
    """How far the old system is with an operation that it gives away.

    Args:
        has_begun: Whether what is next may have been done, in part or whole.
        quiet_at: When a call that it made has arrived, or never will.
        done: What came of each internal status before it.
    """

    operation: Operation
    internal_status: str
    has_begun: bool
    quiet_at: datetime
    done: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the old system still holds in one part.

    Args:
        oldest_at: Since when the one that waits longest is there; None: none waits.
    """

    kind: str
    part: str
    queued: int
    running: int
    failing: int
    oldest_at: datetime | None


async def put(connection: Connection, kind: str, first: str, parts: Mapping[str, str]) -> None:
    """Queue operations that were accepted for the old system; again changes nothing.

    Args:
        first: The internal status that they begin in.
        parts: Which part of the old system has each, by its id.
    """
    await connection.execute(
        "INSERT INTO legacy_operations (operation_id, kind, internal_status, part)"
        " SELECT id, $3, $4, part FROM unnest($1::text[], $2::text[]) AS given (id, part)"
        " ON CONFLICT DO NOTHING",
        list(parts),
        list(parts.values()),
        kind,
        first,
    )


async def take(
    pool: Pool, kind: str, *, limit: int, sends: bool = False, run_s: float = RUN_S_MAX
) -> list[Turn]:
    """Give out turns at what is due, also where a runner seems to be dead.

    Args:
        sends: They are sent to a runner, who has yet to `begin`.
        run_s: For how long a runner has one.
    """
    rows = await pool.fetch(
        "UPDATE legacy_operations SET state = $3,"
        " reconciliation_attempts = reconciliation_attempts + 1,"
        " reconciliation_next_run_time = now() + make_interval(secs => $4)"
        " WHERE operation_id IN ("
        " SELECT operation_id FROM legacy_operations"
        " WHERE kind = $1 AND state IN ('queued', 'sent', 'running')"
        " AND reconciliation_next_run_time <= now()"
        " ORDER BY reconciliation_next_run_time LIMIT $2 FOR UPDATE SKIP LOCKED)"
        " RETURNING operation_id, internal_status, reconciliation_attempts",
        kind,
        limit,
        "sent" if sends else "running",
        run_s,
    )
    return [Turn(*row) for row in rows]


async def begin(pool: Pool, turn: Turn, *, run_s: float = RUN_S_MAX) -> None:
    """Begin a turn that was sent.

    Raises:
        TurnLost: It was begun before, or is over.
    """
    found = await pool.fetchval(
        "UPDATE legacy_operations SET state = 'running',"
        " reconciliation_next_run_time = now() + make_interval(secs => $4)"
        " WHERE operation_id = $1 AND internal_status = $2 AND reconciliation_attempts = $3"
        " AND state = 'sent' RETURNING operation_id",
        *_values(turn),
        run_s,
    )
    _check(turn, found)


async def go_on(
    connection: Connection,
    turn: Turn,
    status: str,
    *,
    run_s: float = RUN_S_MAX,
    done: Any = None,
) -> Turn:
    """Have an operation stand at its next internal status; returns the first turn at it, sent.

    Args:
        done: What came of the one that it stood at; None: nothing is kept of it.

    Raises:
        TurnLost: The turn is over.
    """
    found = await connection.fetchval(
        "UPDATE legacy_operations SET internal_status = $4, state = 'sent', error = NULL,"
        " reconciliation_attempts = 1, done = done || $6,"
        " reconciliation_next_run_time = now() + make_interval(secs => $5)"
        f" WHERE {_HAS_TURN} RETURNING operation_id",
        *_values(turn),
        status,
        run_s,
        {} if done is None else {turn.internal_status: done},
    )
    _check(turn, found)
    return Turn(turn.operation_id, status, 1)


async def put_back(pool: Pool, turn: Turn, error: str, *, after_s: float) -> None:
    """Have what could not be done tried again later.

    Raises:
        TurnLost: The turn is over.
    """
    found = await pool.fetchval(
        "UPDATE legacy_operations SET state = 'queued', error = $4,"
        " reconciliation_next_run_time = now() + make_interval(secs => $5)"
        f" WHERE {_HAS_TURN} RETURNING operation_id",
        *_values(turn),
        error,
        after_s,
    )
    _check(turn, found)


async def end(connection: Connection, turn: Turn) -> None:
    """Note that an operation is over and done with.

    Raises:
        TurnLost: The turn is over.
    """
    found = await connection.fetchval(
        "UPDATE legacy_operations SET state = 'ended', error = NULL"
        f" WHERE {_HAS_TURN} RETURNING operation_id",
        *_values(turn),
    )
    _check(turn, found)


async def done_of(pool: Pool, operation_id: str) -> Mapping[str, Any]:
    """Return what came of each internal status that an operation has left behind."""
    found: Mapping[str, Any] = await pool.fetchval(
        "SELECT done FROM legacy_operations WHERE operation_id = $1", operation_id
    )
    return found


def _values(turn: Turn) -> tuple[str, str, int]:
    return turn.operation_id, turn.internal_status, turn.attempt


def _check(turn: Turn, found: str | None) -> None:
    if found is None:
        raise TurnLost(f"Try {turn.attempt} at {turn.internal_status} is another's, or over.")


async def backlogs(connection: Connection | Pool) -> list[Backlog]:
    """Return what the old system still holds, by part: nothing, once it is drained."""
    rows = await connection.fetch(
        "SELECT kind, part,"
        " count(*) FILTER (WHERE state <> 'running') AS queued,"
        " count(*) FILTER (WHERE state = 'running') AS running,"
        " count(*) FILTER (WHERE error IS NOT NULL) AS failing,"
        " min(queued_at) FILTER (WHERE state <> 'running') AS oldest_at"
        " FROM legacy_operations WHERE state IN ('queued', 'sent', 'running')"
        " GROUP BY kind, part ORDER BY kind, part"
    )
    return [Backlog(**dict(row)) for row in rows]


async def give_away(
    connection: Connection, part: str, *, adoptable: frozenset[str], limit: int
) -> list[Held]:
    """Take operations out of the old system that no runner of it has; it does nothing of them now.

    Args:
        adoptable: The kinds of which also one is taken that it has begun.
    """
    rows = await connection.fetch(
        "SELECT operation_id, internal_status, done, reconciliation_attempts, state,"
        " CASE state WHEN 'queued' THEN reconciliation_next_run_time ELSE now() END AS quiet_at"
        " FROM legacy_operations JOIN operations ON id = operation_id"
        " WHERE part = $1 AND (state = 'queued' AND reconciliation_attempts = 0"
        " OR legacy_operations.kind = ANY($2) AND (state IN ('queued', 'sent')"
        " OR state = 'running' AND reconciliation_next_run_time <= now()))"
        " ORDER BY queued_at LIMIT $3 FOR UPDATE SKIP LOCKED",
        part,
        list(adoptable),
        limit,
    )
    taken = {row["operation_id"]: row for row in rows}
    await connection.execute(
        "UPDATE legacy_operations SET state = 'moved' WHERE operation_id = ANY($1)", list(taken)
    )
    operations = await connection.fetch(
        "SELECT * FROM operations WHERE id = ANY($1) AND lane = $2 AND finished_at IS NULL"
        " ORDER BY id",
        list(taken),
        lanes.ELSEWHERE,
    )
    return [_held(store.operation_of(row), taken[row["id"]]) for row in operations]


def _held(operation: Operation, row: Any) -> Held:
    tries = row["reconciliation_attempts"]
    # What was sent for the first time, and not begun, is as if it had not been.
    has_begun = tries > 1 or (tries == 1 and row["state"] != "sent")
    return Held(operation, row["internal_status"], has_begun, row["quiet_at"], row["done"])
