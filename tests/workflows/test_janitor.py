"""Rows are right again after whatever was done to their workflows from outside."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus

from perdure.capability.assembly import operation_kinds
from perdure.core.errors import OperationCancelled
from perdure.core.ids import new_id
from perdure.durable.engine import TemporalEngine
from perdure.operations import reporting, store
from perdure.operations.cancellation import request_cancel
from perdure.operations.engine import RunState
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.model import NewOperation, Operation, Status
from perdure.operations.service import OperationService
from perdure.operations.steps import to_json
from perdure.payments import contracts
from perdure.payments.contracts import PaymentInput, PaymentRequest
from perdure.storage.pool import Pool, open_pool, transaction
from tests.polls import eventually
from tests.servers import migrated_database

from .scripted import PaymentScenario, confirmation

AT_ONCE = JanitorTimes(start_grace_s=0, stale_after_s=0)


class Healing:
    """A janitor over a scripted world, and operations for it to heal."""

    def __init__(self, pool: Pool, scenario: PaymentScenario) -> None:
        self.pool = pool
        self.scenario = scenario
        self.engine = TemporalEngine(scenario.client, operation_kinds(), scenario.queues)
        self.janitor = Janitor(pool, self.engine, times=AT_ONCE)
        self.service = OperationService(pool, self.engine)

    async def accept(self) -> Operation:
        operation_id = new_id("pay")
        payment = PaymentInput(operation_id, PaymentRequest("cus_1", "acc_1", 500, "USD", "tok_ok"))
        new = NewOperation(operation_id, contracts.KIND, "cus_1", to_json(payment))
        async with transaction(self.pool) as connection:
            return await store.accept(connection, new, actor="test")

    async def accept_and_run(self) -> Operation:
        """Return an operation whose workflow waits for its callback, and whose row says so."""
        operation = await self.accept()
        await self.service.launch(operation)
        charges = self.scenario.world.calls.count(contracts.CHARGE)
        await self.scenario.until_called(contracts.CHARGE, times=max(charges, 1))
        async with transaction(self.pool) as connection:
            locked = await store.lock(connection, operation.id)
            await store.move(connection, locked, Status.WAITING, action="charge_answered")
        return operation

    async def row(self, operation: Operation) -> Operation:
        return await store.get(self.pool, operation.id)

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Let the janitor look until something holds; its own list of ended workflows is late."""

        async def is_healed() -> bool:
            await self.janitor.look()
            return await check()

        await eventually(is_healed, pause_s=0.1)


@pytest.fixture(scope="module")
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of its own: what is ended here was begun here."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as opened:
        yield opened


@pytest.fixture
async def healing(pool: Pool, scenario: PaymentScenario) -> Healing:
    # Rows of other tests have workflows this janitor knows nothing of.
    await pool.execute(
        "UPDATE operations SET status = 'failed', finished_at = now() WHERE finished_at IS NULL"
    )
    return Healing(pool, scenario)


async def test_what_was_accepted_and_never_started_is_started(healing: Healing) -> None:
    operation = await healing.accept()
    assert await healing.engine.run_state(operation.id) == RunState.ABSENT
    await healing.janitor.look()
    assert await healing.engine.run_state(operation.id) == RunState.RUNNING
    assert (await healing.row(operation)).workflow_started_at is not None


async def test_a_row_of_no_kind_that_is_here_does_not_hold_up_the_others(
    pool: Pool, healing: Healing
) -> None:
    unknown = NewOperation(new_id("rnw"), "of-a-later-version", "cus_1", {"request": 1})
    async with transaction(pool) as connection:
        await store.accept(connection, unknown, actor="test")
    operation = await healing.accept()
    await healing.janitor.look()
    assert await healing.engine.run_state(operation.id) == RunState.RUNNING
    assert (await store.get(pool, unknown.id)).is_not_installed


async def test_starting_twice_is_harmless(healing: Healing) -> None:
    operation = await healing.accept()
    assert await healing.engine.start(operation)
    assert not await healing.engine.start(operation)
    await healing.janitor.look()
    await healing.scenario.until_called(contracts.CHARGE)
    assert healing.scenario.world.calls.count(contracts.HOLD_FUNDS) == 1


async def test_a_workflow_terminated_by_hand_parks_its_row_and_resuming_finishes_it(
    healing: Healing, temporal_client: Client
) -> None:
    operation = await healing.accept_and_run()
    await temporal_client.get_workflow_handle(operation.id).terminate("by hand")

    async def parked() -> bool:
        return (await healing.row(operation)).status == Status.NEEDS_ATTENTION

    await healing.until(parked)
    failure = (await healing.row(operation)).failure
    assert failure is not None
    assert failure.code == "workflow_terminated"

    await healing.service.resume(operation.id, actor="ada", reason="It was a mistake.")
    handle = temporal_client.get_workflow_handle(operation.id)
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await handle.signal(
        contracts.GATEWAY_CALLBACK,
        confirmation(operation.id),
    )
    end = await handle.result()
    assert end["status"] == "succeeded"


async def test_a_parked_row_can_be_cancelled_and_what_was_done_is_undone(
    healing: Healing, temporal_client: Client
) -> None:
    operation = await healing.accept_and_run()
    await temporal_client.get_workflow_handle(operation.id).terminate("by hand")

    async def parked() -> bool:
        return (await healing.row(operation)).status == Status.NEEDS_ATTENTION

    await healing.until(parked)
    healing.scenario.world.answers[contracts.HOLD_FUNDS] = OperationCancelled("Not wanted.")
    answer = await healing.service.cancel(operation.id, actor="ada", reason="Not wanted.")
    assert answer.accepted
    end = await temporal_client.get_workflow_handle(operation.id).result()
    assert end["status"] == "cancelled"


async def test_a_workflow_that_timed_out_is_begun_again(
    healing: Healing, temporal_client: Client
) -> None:
    operation = await healing.accept()
    await temporal_client.start_workflow(
        contracts.WORKFLOW,
        operation.input,
        id=operation.id,
        task_queue="nobody-polls-this",
        execution_timeout=timedelta(seconds=1),
    )
    await store.mark_started(healing.pool, [operation.id])

    async def runs_again() -> bool:
        return await healing.engine.run_state(operation.id) == RunState.RUNNING and any(
            entry.action == "restarted"
            for entry in await reporting.trail(healing.pool, operation.id)
        )

    await healing.until(runs_again)


async def test_a_workflow_that_is_gone_is_begun_again(healing: Healing) -> None:
    operation = await healing.accept()
    await store.mark_started(healing.pool, [operation.id])  # and then its namespace was lost

    async def runs_again() -> bool:
        return await healing.engine.run_state(operation.id) == RunState.RUNNING

    await healing.until(runs_again)


async def test_a_workflow_that_was_reset_is_left_to_its_new_run(
    healing: Healing, temporal_client: Client
) -> None:
    operation = await healing.accept_and_run()
    handle = temporal_client.get_workflow_handle(operation.id)
    history = await handle.fetch_history()
    first_task = next(
        event.event_id
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    )
    await temporal_client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal_client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=operation.id, run_id=history.run_id),
            reason="by hand",
            workflow_task_finish_event_id=first_task,
            request_id=new_id("req"),
        )
    )
    await healing.janitor.look()
    row = await healing.row(operation)
    assert row.status == Status.WAITING
    await handle.signal(
        contracts.GATEWAY_CALLBACK,
        confirmation(operation.id),
    )
    latest = temporal_client.get_workflow_handle(operation.id)
    assert (await latest.result())["status"] == "succeeded"


async def test_a_cancel_whose_signal_was_lost_is_told_again(
    healing: Healing, temporal_client: Client
) -> None:
    operation = await healing.accept_and_run()
    async with transaction(healing.pool) as connection:
        await request_cancel(connection, operation.id, actor="ada", reason="Not wanted.")

    async def cancelled() -> bool:
        described = await temporal_client.get_workflow_handle(operation.id).describe()
        return described.status == WorkflowExecutionStatus.COMPLETED

    await healing.until(cancelled)
    assert contracts.UNDO_CHARGE in healing.scenario.world.calls


async def test_the_janitor_does_not_look_at_rows_that_make_progress(healing: Healing) -> None:
    operation = await healing.accept()
    await store.mark_started(healing.pool, [operation.id])
    patient = Janitor(healing.pool, healing.engine, times=JanitorTimes(stale_after_s=60))
    assert await patient.look() == 0
    assert await healing.engine.run_state(operation.id) == RunState.ABSENT
