"""What tests of operators' actions do: payments and transfers held at a point, and looked at."""

from datetime import datetime
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowExecutionStatus

from perdure.operations.model import By, Operation, Status
from perdure.payments.contracts import PaymentRequest
from perdure.transfers.contracts import TransferRequest
from tests.integration.payments.town import Town
from tests.polls import eventually

ADA = By("ada", "Looked into it.")
BOB = By("bob", "Seen it too.")


async def waiting_payment(town: Town, account: dict[str, str], **more: Any) -> str:
    """Return a payment whose workflow waits for a callback that does not come, for seconds."""
    payment_id = await town.pay(account, token="tok_no_callback", **more)
    await town.until(payment_id, {"waiting"})
    return payment_id


async def terminated_payment(town: Town, account: dict[str, str], **more: Any) -> str:
    """Return a payment whose workflow was terminated by hand; its row needs attention."""
    payment_id = await waiting_payment(town, account, **more)
    await town.platform.client.get_workflow_handle(payment_id).terminate("by hand")
    operation = await town.until(payment_id, {"needs_attention"})
    assert operation.failure is not None
    assert operation.failure.code == "workflow_terminated"
    return payment_id


async def accepted_payment(
    town: Town,
    account: dict[str, str],
    *,
    lane: int | None = None,
    deadline_at: datetime | None = None,
    token: str = "tok_ok",
    reference: str | None = None,
) -> Operation:
    """Accept a payment; nothing is started."""
    asked: dict[str, Any] = {**account, "payment_method": token, "reference": reference}
    request = PaymentRequest(amount_minor=1_000, **asked)
    async with town.platform.operations.transaction() as connection:
        return await town.platform.kinds.acceptance("payment").accept(
            connection, request, actor="tests", lane=lane, deadline_at=deadline_at
        )


async def accepted_transfer(
    town: Town, account: dict[str, str], *, lane: int | None = None, destination: str = "dest_ok"
) -> Operation:
    """Accept a transfer; nothing is started."""
    asked: dict[str, Any] = {**account, "destination": destination}
    request = TransferRequest(amount_minor=1_000, **asked)
    async with town.platform.operations.transaction() as connection:
        return await town.platform.kinds.acceptance("transfer").accept(
            connection, request, actor="tests", lane=lane
        )


async def told(town: Town, operation_id: str) -> list[str]:
    """Return what the trail says was done."""
    return [entry.action for entry in await town.platform.operations.trail(operation_id)]


async def was_reset(town: Town, operation_id: str) -> bool:
    """Whether the latest run of a workflow came of a reset."""
    history = await town.platform.client.get_workflow_handle(operation_id).fetch_history()
    reset = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    return any(
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and event.workflow_task_failed_event_attributes.cause == reset
        for event in history.events
    )


async def workflow_status(town: Town, operation_id: str) -> WorkflowExecutionStatus | None:
    described = await town.platform.client.get_workflow_handle(operation_id).describe()
    return described.status


async def check_paid_once(town: Town, payment_id: str, account: dict[str, str]) -> None:
    """See that a payment had the effects of one undisturbed run."""
    operation = await town.end_of(payment_id)
    assert operation.status == Status.SUCCEEDED, operation.failure
    assert [charge["status"] for charge in await town.charges(payment_id)] == ["succeeded"]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (99_000, 99_000)
    effects = await town.platform.pool.fetch(
        "SELECT step FROM effects WHERE operation_id = $1 ORDER BY created_at", payment_id
    )
    assert [effect["step"] for effect in effects] == ["hold_funds", "settle"]


async def until_stopped_at(town: Town, operation_id: str, step: str) -> None:
    """Wait until the workflow of a parked operation has met what holds it, at this step."""

    async def is_there() -> bool:
        operation = await town.platform.operations.get(operation_id)
        assert operation.status == Status.NEEDS_ATTENTION
        assert operation.failure is not None
        assert operation.failure.step != step or operation.failure.code == "parked_by_operator"
        return operation.failure.step == step

    await eventually(is_there)
