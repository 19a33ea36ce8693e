"""A blocking client in threads of its own, beside what is async, in one process: neither waits."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.core.threads import Threads
from tests.polls import eventually

THREADS = 2
SLOTS = 4
LONG = timedelta(seconds=120)


@workflow.defn(name="Calls")
class Calls:
    """Has an activity run on a queue, and then one more workflow task."""

    @workflow.run
    async def run(self, queue: str) -> str:
        answer: str = await workflow.execute_activity(
            "call", task_queue=queue, start_to_close_timeout=LONG
        )
        await workflow.sleep(0.001)
        return answer


class Process:
    """One process: a queue whose calls block, in threads, and one whose calls are async.

    Attributes:
        blocked: How many calls block now.
        waiting: How many async ones wait now.
    """

    def __init__(self, client: Client, threads: Threads) -> None:
        self._client = client
        self._threads = threads
        self._release = threading.Event()
        self._go_on = asyncio.Event()
        self.holds = ""
        self.blocked = 0
        self.waiting = 0
        self.queues = {name: f"{name}-{uuid4().hex}" for name in ("blocking", "async")}

    @activity.defn(name="call")
    async def call_blocking(self) -> str:
        return await self._threads.run(self._block)

    def _block(self) -> str:
        if self.holds == "blocking":
            self.blocked += 1
            self._release.wait(120)
        return threading.current_thread().name

    @activity.defn(name="call")
    async def call_async(self) -> str:
        if self.holds == "async":
            self.waiting += 1
            await self._go_on.wait()
        return threading.current_thread().name

    def let_go(self) -> None:
        self.holds = ""
        self._release.set()
        self._go_on.set()

    async def start(self, queue: str) -> WorkflowHandle[Calls, str]:
        return await self._client.start_workflow(
            Calls.run,
            self.queues[queue],
            id=f"calls-{uuid4().hex}",
            task_queue=self.queues["async"],
            execution_timeout=LONG,
        )


@pytest.fixture
async def process(temporal_client: Client) -> AsyncIterator[Process]:
    threads = Threads("wallets", THREADS)
    process = Process(temporal_client, threads)
    activities: dict[str, Callable[[], Awaitable[str]]] = {
        "blocking": process.call_blocking,
        "async": process.call_async,
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(threads.close)
        for name, queue in process.queues.items():
            worker = Worker(
                temporal_client,
                task_queue=queue,
                workflows=[Calls] if name == "async" else [],
                activities=[activities[name]],
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_concurrent_activities=SLOTS,
            )
            await stack.enter_async_context(worker)
        stack.callback(process.let_go)
        yield process


async def test_a_saturated_pool_delays_nothing_async_t9(process: Process) -> None:
    process.holds = "blocking"
    blocked = [await process.start("blocking") for _ in range(SLOTS + 2)]
    await eventually(lambda: process.blocked == THREADS)
    others = [await process.start("async") for _ in range(5)]
    assert len(await asyncio.gather(*(one.result() for one in others))) == 5
    assert process.blocked == THREADS  # all the while
    process.let_go()
    answers = await asyncio.gather(*(one.result() for one in blocked))
    assert all(answer.startswith("wallets") for answer in answers)


async def test_saturated_async_activities_delay_nothing_that_blocks_t9(process: Process) -> None:
    process.holds = "async"
    waiting = [await process.start("async") for _ in range(SLOTS + 2)]
    await eventually(lambda: process.waiting == SLOTS)
    others = [await process.start("blocking") for _ in range(5)]
    assert len(await asyncio.gather(*(one.result() for one in others))) == 5
    assert process.waiting == SLOTS
    process.let_go()
    assert len(await asyncio.gather(*(one.result() for one in waiting))) == SLOTS + 2
