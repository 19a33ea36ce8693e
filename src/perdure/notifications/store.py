"""Messages owed, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.core.ids import NOTIFICATION, derived_id
from perdure.notifications.contracts import Channel, Message
from perdure.operations.standing import Standstill
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Notification:
    """A row of `notifications`."""

    id: str
    operation_id: str
    audience: str
    channel: Channel
    recipient: str
    subject: str
    body: str
    state: str
    html: str = ""


async def owe(
    connection: Connection, messages: Mapping[str, Sequence[Message]]
) -> dict[str, list[str]]:
    """Write operations' messages in the commit of what they tell; returns their ids.

    An id follows from operation, audience and channel, so writing the same message twice adds
    nothing.

    Args:
        messages: By the operation they belong to; so are the ids that are returned.
    """
    ids = {
        operation_id: [
            derived_id(NOTIFICATION, operation_id, f"{message.audience}:{message.channel}")
            for message in owed
        ]
        for operation_id, owed in messages.items()
    }
    rows = [
        (found, operation_id, message)
        for operation_id, owed in messages.items()
        for found, message in zip(ids[operation_id], owed, strict=True)
    ]
    if rows:
        await connection.execute(
            "INSERT INTO notifications"
            " (id, operation_id, audience, channel, recipient, subject, body, html)"
            " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
            " $6::text[], $7::text[], $8::text[]) ON CONFLICT DO NOTHING",
            [found for found, _, _ in rows],
            [operation_id for _, operation_id, _ in rows],
            [message.audience for _, _, message in rows],
            [message.channel.value for _, _, message in rows],
            [message.recipient for _, _, message in rows],
            [message.subject for _, _, message in rows],
            [message.body for _, _, message in rows],
            [message.html for _, _, message in rows],
        )
    return ids


async def find(pool: Pool, notification_ids: Sequence[str]) -> dict[str, Notification]:
    """Return the messages there are of these, by id."""
    rows = await pool.fetch(
        "SELECT id, operation_id, audience, channel, recipient, subject, body, state, html"
        " FROM notifications WHERE id = ANY($1)",
        notification_ids,
    )
    return {
        row["id"]: Notification(**dict(row) | {"channel": Channel(row["channel"])}) for row in rows
    }


async def reject(pool: Pool, notification_id: str) -> None:
    """Record that a message was rejected for good; one that was sent is so by its call's answer."""
    await pool.execute(
        "UPDATE notifications SET state = 'rejected', ended_at = now()"
        " WHERE id = $1 AND state = 'pending'",
        notification_id,
    )


async def overdue(
    pool: Pool, *, owed_before: datetime, redelivered_before: datetime, limit: int
) -> list[str]:
    """Return messages owed since before a moment, who waited longest to be seen to first."""
    rows = await pool.fetch(
        "SELECT id FROM notifications WHERE state = 'pending'"
        " AND coalesce(redelivered_at, created_at) < $1"
        " AND (redelivered_at IS NULL OR redelivered_at < $2)"
        " ORDER BY coalesce(redelivered_at, created_at) LIMIT $3",
        owed_before,
        redelivered_before,
        limit,
    )
    return [row["id"] for row in rows]


async def owed(connection: Connection | Pool) -> Standstill:
    """Return how many messages are owed, and for how long."""
    row = await connection.fetchrow(
        "SELECT count(*) AS count,"
        " extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest_s"
        " FROM notifications WHERE state = 'pending'"
    )
    assert row is not None
    return Standstill(row["count"], row["oldest_s"])


async def mark_redelivered(pool: Pool, notification_ids: Sequence[str], at: datetime) -> None:
    """Record that something sees to the delivery of these."""
    await pool.execute(
        "UPDATE notifications SET redelivered_at = $2 WHERE id = ANY($1)", notification_ids, at
    )


@dataclass(frozen=True, slots=True)
class Owed:
    """A message, and what became of it: not to whom it went, nor what it says."""

    id: str
    audience: str
    channel: str
    state: str
    created_at: datetime
    ended_at: datetime | None


async def of_operation(pool: Pool, operation_id: str) -> list[Owed]:
    """Return the messages that were owed for an operation, in the order of their ids."""
    rows = await pool.fetch(
        "SELECT id, audience, channel, state, created_at, ended_at FROM notifications"
        " WHERE operation_id = $1 ORDER BY id",
        operation_id,
    )
    return [Owed(**dict(row)) for row in rows]
