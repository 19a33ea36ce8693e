"""Messages owed, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.core.errors import NotFound
from perdure.core.ids import NOTIFICATION, derived_id
from perdure.notifications.contracts import Channel, Message
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


async def owe(connection: Connection, operation_id: str, messages: Sequence[Message]) -> list[str]:
    """Write messages in the commit of what they tell; returns their ids.

    An id follows from operation, audience and channel, so writing the same message twice adds
    nothing.
    """
    ids = [
        derived_id(NOTIFICATION, operation_id, f"{message.audience}:{message.channel}")
        for message in messages
    ]
    if messages:
        await connection.execute(
            "INSERT INTO notifications"
            " (id, operation_id, audience, channel, recipient, subject, body)"
            " SELECT id, $2, audience, channel, recipient, subject, body"
            " FROM unnest($1::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])"
            " AS message (id, audience, channel, recipient, subject, body) ON CONFLICT DO NOTHING",
            ids,
            operation_id,
            [message.audience for message in messages],
            [message.channel.value for message in messages],
            [message.recipient for message in messages],
            [message.subject for message in messages],
            [message.body for message in messages],
        )
    return ids


async def get(pool: Pool, notification_id: str) -> Notification:
    """Return a message.

    Raises:
        NotFound: There is none of this id.
    """
    row = await pool.fetchrow(
        "SELECT id, operation_id, audience, channel, recipient, subject, body, state"
        " FROM notifications WHERE id = $1",
        notification_id,
    )
    if row is None:
        raise NotFound(f"There is no notification {notification_id}.", param="notification_id")
    return Notification(**dict(row) | {"channel": Channel(row["channel"])})


async def end(pool: Pool, notification_id: str, state: str) -> None:
    """Record that a message was `sent`, or `rejected` for good."""
    await pool.execute(
        "UPDATE notifications SET state = $2, ended_at = now() WHERE id = $1 AND state = 'pending'",
        notification_id,
        state,
    )


async def overdue(pool: Pool, before: datetime, *, limit: int) -> list[str]:
    """Return messages owed since before a moment, the oldest first."""
    rows = await pool.fetch(
        "SELECT id FROM notifications WHERE state = 'pending' AND created_at < $1"
        " ORDER BY created_at LIMIT $2",
        before,
        limit,
    )
    return [row["id"] for row in rows]
