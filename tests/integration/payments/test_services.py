"""The services a payment is made of, what they use of Temporal, and that none acts twice."""

from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from perdure.core.ids import new_id
from perdure.durable.queues import FRAUD, NOTIFICATIONS, OPERATIONS, provider_queue
from perdure.fraud.contracts import SCORER
from perdure.ledger.verify import violations
from perdure.operations.model import Status

from .town import Town


async def history(town: Town, workflow_id: str) -> list[Any]:
    handle = town.platform.client.get_workflow_handle(workflow_id)
    return [event async for event in handle.fetch_history_events()]


async def test_a_payment_request_names_who_pays_how_much_and_how_br1(town: Town) -> None:
    account = await town.account()
    body = {**account, "amount_minor": 1_000, "payment_method": "tok_ok"}
    for field in ("customer_id", "amount_minor", "payment_method"):
        without = {name: value for name, value in body.items() if name != field}
        response = await town.api.post("/v1/payments", json=without)
        assert response.status_code == 400
        assert response.json()["error"]["param"] == field
    created = (await town.api.post("/v1/payments", json=body)).json()
    assert (created["customer_id"], created["amount_minor"]) == (account["customer_id"], 1_000)
    await town.end_of(created["id"])


async def test_each_service_works_from_a_queue_of_its_own_p11(town: Town) -> None:
    names = town.platform.queues
    # What cannot be done at once: the rest is each service's own.
    payment_id = await town.pay(
        await town.account(), token="tok_flaky", payer={"email": "tempfail+p11@example.com"}
    )
    await town.end_of(payment_id)
    await town.platform.client.get_workflow_handle(payment_id).result()
    queues = {
        event.activity_task_scheduled_event_attributes.activity_type.name: (
            event.activity_task_scheduled_event_attributes.task_queue.name
        )
        for event in await history(town, payment_id)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    }
    assert queues == {
        "payment.charge": names[provider_queue("gateway")],
        "notification.deliver": names[NOTIFICATIONS],
    }
    started = (await history(town, f"{payment_id}-fraud"))[0]
    attributes = started.workflow_execution_started_event_attributes
    assert attributes.task_queue.name == names[FRAUD]
    assert len({names[FRAUD], names[OPERATIONS], names[provider_queue(SCORER)]}) == 3


async def test_the_reporting_service_asks_the_workflow_and_tells_it_to_stop_p11(town: Town) -> None:
    account = await town.account()
    payment_id = await town.pay(account, token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    report = await town.api.get(f"/v1/payments/{payment_id}/workflow")
    assert report.json()["public_status"] == "processing"
    await town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": "Not wanted."})
    await town.end_of(payment_id)
    await town.platform.client.get_workflow_handle(payment_id).result()
    report = await town.api.get(f"/v1/payments/{payment_id}/workflow")
    assert report.json()["public_status"] == "fail"


async def test_a_payment_uses_what_temporal_has_p15(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_flaky")
    await town.end_of(payment_id)
    handle = town.platform.client.get_workflow_handle(payment_id)
    await handle.result()
    found = {EventType.Name(event.event_type) for event in await history(town, payment_id)}
    assert found >= {
        "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED",
        "EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED",
        "EVENT_TYPE_TIMER_STARTED",
        "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",
        "EVENT_TYPE_MARKER_RECORDED",
    }
    assert await handle.query("status") == "success"


async def test_a_payment_that_is_reset_moves_nothing_twice_e7_p12(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, payer={"email": "ada@example.com"})
    await town.end_of(payment_id)
    client = town.platform.client
    handle = client.get_workflow_handle(payment_id)
    await handle.result()
    events = await history(town, payment_id)
    first_task = next(
        event.event_id
        for event in events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )
    before = await town.platform.operations.get(payment_id)
    run_id = (await handle.describe()).run_id
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=payment_id, run_id=run_id),
            reason="tests",
            workflow_task_finish_event_id=first_task,
            request_id=new_id("req"),
        )
    )
    end = await client.get_workflow_handle(payment_id).result()
    assert end["status"] == "succeeded"
    assert (await client.get_workflow_handle(payment_id).describe()).run_id != run_id
    assert await town.platform.operations.get(payment_id) == before
    assert (await town.balance(account)).posted_minor == 9_000
    assert len(await town.charges(payment_id)) == 1
    async with town.platform.pool.acquire() as connection:
        transfers = await town.platform.ledger.list_transfers(connection, operation_id=payment_id)
    assert len(transfers) == 2


async def test_a_cancelled_payment_that_is_reset_stays_cancelled_e7(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    await town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": "Not wanted."})
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    client = town.platform.client
    handle = client.get_workflow_handle(payment_id)
    await handle.result()
    run_id = (await handle.describe()).run_id
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=payment_id, run_id=run_id),
            reason="tests",
            workflow_task_finish_event_id=4,
            request_id=new_id("req"),
        )
    )
    await client.get_workflow_handle(payment_id).result()
    assert (await town.platform.operations.get(payment_id)).status == Status.CANCELLED
    assert (await town.balance(account)).available_minor == 10_000


async def test_the_ledger_keeps_its_invariants_after_all_of_this(town: Town) -> None:
    assert await violations(town.platform.pool) == []
