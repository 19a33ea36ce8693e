"""Messages that stayed undelivered are seen to: each once, and none for ever before the others."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from perdure.core.ids import new_id
from perdure.durable.queues import NOTIFICATIONS, QueueNames
from perdure.notifications.contracts import workflow_id
from perdure.notifications.redelivery import NotificationRedelivery
from perdure.operations import store
from perdure.operations.model import NewOperation
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

OWED_AT = datetime(2020, 1, 1, tzinfo=UTC)


class Post:
    """Messages owed since 2020, and a clock that says when it is."""

    def __init__(self, pool: Pool, client: Client) -> None:
        self.pool = pool
        self.client = client
        self.now = OWED_AT
        # A queue of nobody: what is started stays under way.
        queues = QueueNames({NOTIFICATIONS: f"nobody-{uuid4().hex[:8]}"})
        self.redelivery = NotificationRedelivery(pool, client, queues, clock=lambda: self.now)

    async def owe(self, count: int, *, at: datetime = OWED_AT) -> list[str]:
        operation_id = new_id("pay")
        async with transaction(self.pool) as connection:
            new = NewOperation(operation_id, "payment", "cus_1", {})
            await store.accept(connection, new, actor="test")
        ids = [f"ntf_{uuid4().hex}" for _ in range(count)]
        await self.pool.executemany(
            "INSERT INTO notifications"
            " (id, operation_id, audience, channel, recipient, subject, body, created_at)"
            " VALUES ($1, $2, 'payer', 'email', 'a@example.com', '', '', $3)",
            [(found, operation_id, at) for found in ids],
        )
        return ids

    async def look(self, *, after: timedelta) -> int:
        self.now += after
        return await self.redelivery.redeliver()

    async def is_under_way(self, notification_id: str) -> bool:
        handle = self.client.get_workflow_handle(workflow_id(notification_id))
        try:
            return (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        except RPCError:
            return False

    async def end(self, notification_id: str) -> None:
        await self.client.get_workflow_handle(workflow_id(notification_id)).terminate()


@pytest.fixture
async def post(postgres_url: str, temporal_client: Client) -> AsyncIterator[Post]:
    # A database of its own: in the session's, others' janitors see to what is owed as well.
    async with (
        migrated_database(postgres_url) as url,
        open_pool(url, size=2, application_name="perdure-tests") as pool,
    ):
        yield Post(pool, temporal_client)


async def test_a_message_owed_for_long_is_seen_to_once(post: Post) -> None:
    [owed] = await post.owe(1)
    assert await post.look(after=timedelta(seconds=10)) == 0
    assert not await post.is_under_way(owed)
    assert await post.look(after=timedelta(seconds=11)) == 1
    assert await post.is_under_way(owed)
    assert await post.look(after=timedelta(seconds=30)) == 0


async def test_a_delivery_that_was_ended_from_outside_is_begun_again(post: Post) -> None:
    [owed] = await post.owe(1)
    await post.look(after=timedelta(seconds=21))
    await post.end(owed)
    assert await post.look(after=timedelta(minutes=11)) == 1
    assert await post.is_under_way(owed)


async def test_what_was_delivered_is_left(post: Post) -> None:
    [owed] = await post.owe(1)
    await post.pool.execute("UPDATE notifications SET state = 'sent' WHERE id = $1", owed)
    assert await post.look(after=timedelta(days=1)) == 0


async def test_those_that_nobody_takes_do_not_hold_up_the_others(post: Post) -> None:
    await post.owe(200)
    [later] = await post.owe(1, at=OWED_AT + timedelta(seconds=1))
    assert await post.look(after=timedelta(minutes=1)) == 200
    assert await post.look(after=timedelta(seconds=2)) == 1
    assert await post.is_under_way(later)
    # Still owed, all of them, and all in turn again.
    assert await post.look(after=timedelta(minutes=11)) == 200


async def test_an_engine_that_is_away_costs_nobody_their_turn(post: Post) -> None:
    [owed] = await post.owe(1)
    away = await Client.connect("127.0.0.1:1", lazy=True)
    redelivery = NotificationRedelivery(
        post.pool, away, QueueNames({}), clock=lambda: OWED_AT + timedelta(minutes=1)
    )
    with pytest.raises((RPCError, RuntimeError)):
        await redelivery.redeliver()
    assert await post.look(after=timedelta(minutes=1)) == 1
    assert await post.is_under_way(owed)
