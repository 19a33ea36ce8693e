"""Operations in PostgreSQL: rows in, rows out; the rules of change are in the callers."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from perdure.core.erased import customer_erased
from perdure.core.errors import IdempotencyMismatch, NotFound
from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.core.request_id import current_request_id
from perdure.core.telemetry import telemetry
from perdure.operations import archive, breakdowns
from perdure.operations.model import (
    CancelRequest,
    Failure,
    NewOperation,
    Operation,
    ParkRequest,
    RunRequest,
    Status,
)
from perdure.storage.pool import Connection, Pool
from perdure.storage.query import fetch
from perdure.storage.row_security import in_own_name

SYSTEM = "system"
"""The actor of what no person asked for."""

STARTED_BY_A_STEP: Final = "CASE WHEN lane IS NULL THEN coalesce(workflow_started_at, now()) END"
"""A step that is done shows that the workflow exists, except in a lane."""

OPERATIONS = sa.table(
    "operations",
    sa.column("id", sa.Text),
    sa.column("kind", sa.Text),
    sa.column("status", sa.Text),
    sa.column("customer_id", sa.Text),
    sa.column("reference", sa.Text),
    sa.column("input", JSONB),
    sa.column("result", JSONB),
    sa.column("failure", JSONB),
    sa.column("metadata", JSONB),
    sa.column("cancel_request", JSONB),
    sa.column("lane", sa.SmallInteger),
    sa.column("workflow_started_at", sa.DateTime(timezone=True)),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
    sa.column("finished_at", sa.DateTime(timezone=True)),
    sa.column("deadline_at", sa.DateTime(timezone=True)),
    sa.column("park_request", JSONB),
    sa.column("reversal_begun_at", sa.DateTime(timezone=True)),
    sa.column("relaunch_of", sa.Text),
    sa.column("relaunched_as", sa.Text),
    sa.column("refund_of", sa.Text),
    sa.column("refunded_by", sa.Text),
    sa.column("refund_refusal", JSONB),
    sa.column("run_request", sa.Text),
    sa.column("run_requested_at", sa.DateTime(timezone=True)),
    sa.column("original_request", JSONB),
    sa.column("traceparent", sa.Text),
)
_COLUMN_NAMES = [column.name for column in OPERATIONS.columns]
_COLUMNS = ", ".join(_COLUMN_NAMES)
_LINKED: Final = {"relaunch_status": "relaunched_as", "refund_status": "refunded_by"}
_LINKED_COLUMNS: Final = ", ".join(
    f"(SELECT status FROM operations AS linked WHERE linked.id = operations.{link}) AS {name}"
    for name, link in _LINKED.items()
)
SHOWN: Final = f"{_COLUMNS}, {_LINKED_COLUMNS}"
"""What is read of `operations` for somebody who looks: also how those stand that a row names."""


def operation_of(row: asyncpg.Record) -> Operation:
    """Return a row of `operations`; columns the model does not have are left out."""
    values = {name: row[name] for name in _COLUMN_NAMES}
    cancel, park, run = values["cancel_request"], values["park_request"], values["run_request"]
    return Operation(
        **values
        | {
            "status": Status(values["status"]),
            "failure": Failure(**values["failure"]) if values["failure"] else None,
            "cancel_request": CancelRequest(
                cancel["actor"], cancel["reason"], datetime.fromisoformat(cancel["requested_at"])
            )
            if cancel
            else None,
            "park_request": ParkRequest(
                park["actor"],
                park["reason"],
                datetime.fromisoformat(park["requested_at"]),
                Status(park["status"]),
            )
            if park
            else None,
            "refund_refusal": Failure(**refusal) if (refusal := values["refund_refusal"]) else None,
            "run_request": RunRequest(run) if run else None,
        }
        | {name: Status(status) if (status := row.get(name)) else None for name in _LINKED}
    )


_ACCEPT: Final = f"""
WITH accepted AS (
    INSERT INTO operations (id, kind, status, customer_id, reference, input, metadata, lane,
        deadline_at, traceparent)
    SELECT $1, $2, 'pending', $3, $4, $5, $6, $8, $9, $11
    WHERE NOT EXISTS (SELECT FROM erased_customers WHERE customer_id = $3)
    ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
), trail AS (
    INSERT INTO operation_trail (operation_id, actor, action, status, request_id)
    SELECT id, $7, 'accepted', status, $10 FROM accepted
)
SELECT * FROM accepted
"""


async def accept(connection: Connection, new: NewOperation, *, actor: str) -> Operation:
    """Store a new operation as `pending`, with the first entry of its trail.

    The same id, or the same reference of a customer, with the same input returns the stored
    operation; of one that was relaunched, the latest relaunch.

    Raises:
        IdempotencyMismatch: The id or the reference is taken by an operation with another input.
        Refused: `customer_erased`.
    """
    async with in_own_name(connection) as named:
        row = await named.fetchrow(
            _ACCEPT,
            *(new.id, new.kind, new.customer_id, new.reference, new.input, new.metadata),
            *(actor, new.lane, new.deadline_at, current_request_id()),
            new.traceparent or telemetry().traceparent(),
        )
    if row is not None:
        return operation_of(row)
    stored = await _find_twin(connection, new)
    if stored is None:
        raise customer_erased(new.customer_id)
    if stored.asked_request != new.input["request"]:
        raise reference_taken(stored)
    return replace(stored, is_repeat=True)


async def check_not_erased(connection: Connection, customer_id: str) -> None:
    """Refuse what is asked for somebody who has been erased, or is being.

    Raises:
        Refused: `customer_erased`.
    """
    if await connection.fetchval(
        "SELECT EXISTS (SELECT FROM erased_customers WHERE customer_id = $1)", customer_id
    ):
        raise customer_erased(customer_id)


def reference_taken(operation: Operation) -> IdempotencyMismatch:
    """Return the refusal of another request with an operation's reference."""
    return IdempotencyMismatch(
        f"{operation.id} already has this reference, with other content; use a new reference.",
        param="reference",
    )


async def _find_twin(connection: Connection, new: NewOperation) -> Operation | None:
    row = await connection.fetchrow(
        f"SELECT {SHOWN} FROM operations WHERE id = $1"
        " OR (kind = $2 AND customer_id = $3 AND reference = $4 AND relaunched_as IS NULL)",
        new.id,
        new.kind,
        new.customer_id,
        new.reference,
    )
    return operation_of(row) if row is not None else None


async def link_relaunch(connection: Connection, old: Operation, new: Operation) -> None:
    """Have an operation that was just accepted stand for one that came to nothing.

    It has the reference from then on, so that who asks for that again finds it.
    """
    await connection.execute(
        "UPDATE operations SET relaunched_as = $2 WHERE id = $1", old.id, new.id
    )
    request = new.input["request"]
    if old.reference is not None:
        request = request | {"reference": old.reference}
    asked = old.asked_request
    # After the old one: no two at the end of their chains have one reference.
    await connection.execute(
        "UPDATE operations SET relaunch_of = $2, reference = $3, input = $4, original_request = $5"
        " WHERE id = $1",
        new.id,
        old.id,
        old.reference,
        new.input | {"request": request},
        asked if asked != request else None,
    )


async def get(connection: Connection | Pool, operation_id: str) -> Operation:
    """Return the operation.

    Raises:
        NotFound: There is none of this id.
    """
    return _found(
        await connection.fetchrow(f"SELECT {SHOWN} FROM operations WHERE id = $1", operation_id),
        operation_id,
    )


async def lock(connection: Connection, operation_id: str) -> Operation:
    """Return the operation, locked until the transaction ends: its runners take turns.

    Whoever acts on one that was archived finds its records where they were.

    Raises:
        NotFound: There is none of this id.
        Conflict: `operation_exported`.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM operations WHERE id = $1 FOR UPDATE", operation_id
    )
    operation = _found(row, operation_id)
    await archive.bring_back(connection, operation_id, operation.finished_at)
    return operation


def _found(row: asyncpg.Record | None, operation_id: str) -> Operation:
    if row is None:
        raise NotFound(
            f"There is no operation {operation_id}.", code="operation_not_found", param="id"
        )
    return operation_of(row)


def age_of(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return the part of an id that sorts by time, whatever the kind, as the indexes have it.

    How long it is, is in the statement: with a parameter in its place, no index serves a plan that
    is made for any value.
    """
    return sa.func.right(column, sa.literal_column(str(ID_SUFFIX_LENGTH))).collate("C")


def has_status(status: Status) -> sa.ColumnElement[bool]:
    """Return that an operation stands so; the status in the statement, as in an index's WHERE."""
    return OPERATIONS.c.status == sa.literal_column(f"'{status.value}'")


async def find(
    connection: Connection | Pool,
    *,
    kind: str | None = None,
    status: Status | None = None,
    customer_id: str | None = None,
    reference: str | None = None,
    starting_after: str | None = None,
    ending_before: str | None = None,
    limit: int = 10,
) -> list[Operation]:
    """Return operations, newest first, at most `limit` of them beyond the cursor."""
    columns = OPERATIONS.c
    statement = sa.select(OPERATIONS, sa.text(_LINKED_COLUMNS)).limit(limit)
    # A customer's are few, and a kind's many: the database is not to read the kind's to find those.
    of_kind = columns.kind if customer_id is None else columns.kind + sa.literal_column("''")
    for column, value in (
        (of_kind, kind),
        (columns.customer_id, customer_id),
        (columns.reference, reference),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if status is not None:
        statement = statement.where(has_status(status))
    age = age_of(columns.id)
    if ending_before is not None:
        statement = statement.where(age > ending_before[-ID_SUFFIX_LENGTH:]).order_by(age.asc())
        return [operation_of(row) for row in await fetch(connection, statement)][::-1]
    if starting_after is not None:
        statement = statement.where(age < starting_after[-ID_SUFFIX_LENGTH:])
    statement = statement.order_by(age.desc())
    return [operation_of(row) for row in await fetch(connection, statement)]


async def move(
    connection: Connection,
    operation: Operation,
    status: Status,
    *,
    action: str,
    actor: str = SYSTEM,
    reason: str | None = None,
    result: dict[str, Any] | None = None,
    failure: Failure | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Give a locked operation a status and add to its trail, in one statement.

    A `failure` stays until the operation moves on without one; a `result`, and that a reversal has
    begun, stay for good.
    """
    assert not operation.is_finished or status == operation.status, "a finished operation moved"
    await connection.execute(
        "WITH trail AS ("
        " INSERT INTO operation_trail (operation_id, actor, action, status, reason, data,"
        " request_id) VALUES ($1, $3, $4, $2, $5, $6, $10)"
        ") UPDATE operations SET status = $2, result = coalesce($7, result), failure = $8,"
        f" updated_at = now(), workflow_started_at = {STARTED_BY_A_STEP},"
        " reversal_begun_at = CASE WHEN $2 = 'reversing' THEN coalesce(reversal_begun_at, now())"
        " ELSE reversal_begun_at END,"
        " finished_at = CASE WHEN $9 THEN coalesce(finished_at, now()) END WHERE id = $1",
        operation.id,
        status.value,
        actor,
        action,
        reason,
        data,
        result,
        asdict(failure) if failure else None,
        status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED),
        current_request_id(),
    )
    # Parked for the same reason once more, as a worker died on the way, it broke down before.
    if status != operation.status or failure != operation.failure:
        await breakdowns.keep(connection, operation.id, status, failure)


async def note(
    connection: Connection,
    operation: Operation,
    *,
    actor: str,
    action: str,
    reason: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Add to an operation's trail what did not change its status."""
    await connection.execute(
        "INSERT INTO operation_trail (operation_id, actor, action, status, reason, data,"
        " request_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        operation.id,
        actor,
        action,
        operation.status.value,
        reason,
        data,
        current_request_id(),
    )


async def mark_started(connection: Connection | Pool, operation_ids: Sequence[str]) -> None:
    """Record that the operations' workflows exist."""
    await connection.execute(
        "UPDATE operations SET workflow_started_at = now()"
        " WHERE id = ANY($1) AND workflow_started_at IS NULL",
        operation_ids,
    )
