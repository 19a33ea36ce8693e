"""A key that is missing is an outage: what needs it waits, in one line, and goes on with it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.cli.logs import _unreadable_in_a_line
from perdure.durable.payloads.converter import data_converter
from perdure.durable.payloads.settings import PayloadSettings, new_master
from perdure.storage.pool import Pool
from tests.polls import eventually


@activity.defn
async def greet(name: str) -> str:
    return f"Good day, {name}"


@workflow.defn
class Greeting:
    """Has somebody greeted by a worker of another queue."""

    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            greet,
            name,
            task_queue=f"{workflow.info().task_queue}-greetings",
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0
            ),
        )


def with_converter(client: Client, converter: DataConverter) -> Client:
    own: Any = {"data_converter": converter}
    return Client(**client.config() | own)


@asynccontextmanager
async def working(client: Client, queue: str, **work: Any) -> AsyncIterator[None]:
    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        client, task_queue=queue, workflow_runner=runner, max_cached_workflows=0, **work
    ):
        yield


async def has_failed_task(handle: WorkflowHandle[Any, Any]) -> bool:
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    return any([event.event_type == failed async for event in handle.fetch_history_events()])


async def attempts(handle: WorkflowHandle[Any, Any]) -> int:
    pending = (await handle.describe()).raw_description.pending_activities
    scheduled = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return max((one.attempt for one in pending if one.state == scheduled), default=0)


async def test_what_needs_a_key_waits_for_it_e13(
    temporal_client: Client, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = PayloadSettings(keys=[new_master("tests")])
    keyless = with_converter(temporal_client, data_converter(PayloadSettings(), pool))
    client = with_converter(temporal_client, data_converter(settings, pool))
    queue = f"greeting-{uuid4().hex[:8]}"
    handle = await client.start_workflow(
        Greeting.run,
        "Ada Lovelace",
        id=queue,
        task_queue=queue,
        task_timeout=timedelta(seconds=3),
    )
    with caplog.at_level(logging.WARNING, "temporalio"):
        async with working(keyless, queue, workflows=[Greeting]):
            await eventually(lambda: has_failed_task(handle))
        async with working(client, queue, workflows=[Greeting]):
            async with working(keyless, f"{queue}-greetings", activities=[greet]):
                await eventually(lambda: attempts(handle))
            async with working(client, f"{queue}-greetings", activities=[greet]):
                assert await handle.result() == "Good day, Ada Lovelace"
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) > 1
    for record in told:
        line = _unreadable_in_a_line(None, "", {"exc_info": record.exc_info})
        assert [*line] == ["error"]
        assert "PERDURE_PAYLOAD_KEYS is not set" in line["error"]
