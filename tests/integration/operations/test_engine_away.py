"""While Temporal is away nothing is lost, and nothing is half done."""

from datetime import timedelta

import pytest
from temporalio.client import Client

from perdure.capability.assembly import operation_kinds
from perdure.core.clock import utc_now
from perdure.core.ids import new_id
from perdure.durable.engine import TemporalEngine
from perdure.durable.queues import QueueNames
from perdure.operations import run_requests, store
from perdure.operations.model import RunRequest, Status
from perdure.operations.service import OperationService
from perdure.payments.callbacks import GatewayCallbacks
from perdure.providers.gateway_callbacks import GatewayEvent, ToldCharge
from perdure.storage.pool import Pool, transaction

from .conftest import NewOperationMaker


@pytest.fixture
async def engine() -> TemporalEngine:
    """An engine at an address where nobody answers."""
    client = await Client.connect("127.0.0.1:1", lazy=True)
    return TemporalEngine(client, operation_kinds(), QueueNames())


@pytest.fixture
def service(pool: Pool, engine: TemporalEngine) -> OperationService:
    return OperationService(pool, engine)


async def test_a_start_is_postponed(service: OperationService, accept: NewOperationMaker) -> None:
    operation = await accept()
    await service.launch(operation)
    row = await service.get(operation.id)
    assert (row.status, row.workflow_started_at) == (Status.PENDING, None)


async def test_a_cancel_is_accepted_and_on_the_row(
    service: OperationService, accept: NewOperationMaker
) -> None:
    operation = await accept()
    answer = await service.cancel(operation.id, actor="ada", reason="Not wanted.")
    assert answer.accepted
    request = (await service.get(operation.id)).cancel_request
    assert request is not None
    assert (request.actor, request.reason) == ("ada", "Not wanted.")


async def test_a_resume_is_on_the_row_and_told_by_the_janitor(
    pool: Pool, service: OperationService, accept: NewOperationMaker
) -> None:
    operation = await accept()
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, Status.NEEDS_ATTENTION, action="parked")
    await service.resume(operation.id, actor="ada", reason="Looked into it.")
    row = await service.get(operation.id)
    assert (row.status, row.run_request) == (Status.PROCESSING, RunRequest.RESUME)
    assert row.run_requested_at is not None
    assert [entry.action for entry in await service.trail(operation.id)] == [
        "accepted",
        "parked",
        "resumed",
    ]
    overdue = await run_requests.overdue(pool, utc_now() + timedelta(seconds=5), limit=1_000)
    assert operation.id in overdue


async def test_a_callback_is_kept_for_later(
    pool: Pool, engine: TemporalEngine, accept: NewOperationMaker
) -> None:
    operation = await accept()
    event_id = new_id("evt")
    told = ToldCharge("ch_1", operation.id, 1_000, "USD", "succeeded")
    event = GatewayEvent(event_id, "charge.succeeded", told)
    receipt = await GatewayCallbacks(pool, engine).receive(event)
    assert (receipt.duplicate, receipt.payment_id) == (False, operation.id)
    kept = await pool.fetchrow(
        "SELECT passed_on_at, operation_id FROM provider_callbacks WHERE event_id = $1", event_id
    )
    assert kept is not None
    assert (kept["passed_on_at"], kept["operation_id"]) == (None, operation.id)
