"""Refunds' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.core.ids import new_id
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.refunds import contracts
from perdure.refunds.contracts import (
    CloseRefund,
    FoundOut,
    GivenBack,
    RefundEnd,
    RefundInput,
    RefundRequest,
    SettleRefund,
)
from perdure.transfers.contracts import BANK

from .script import Script

GIVEN = GivenBack({"payout_id": "po_1"})
SUCCEEDED = RefundEnd("succeeded", notification_ids=["ntf_1"])


@dataclass
class ScriptedRefunds(Script):
    """What refunds ask for; without other answers, they succeed."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.GIVE_BACK: GIVEN,
            contracts.FIND_OUT: FoundOut(),
            contracts.SETTLE: SUCCEEDED,
        }
    )

    @activity.defn(name=contracts.GIVE_BACK)
    async def give_back(self, given: RefundInput) -> GivenBack:
        return self.answer(contracts.GIVE_BACK, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.FIND_OUT)
    async def find_out(self, given: RefundInput) -> FoundOut:
        return self.answer(contracts.FIND_OUT, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.SETTLE)
    async def settle(self, given: SettleRefund) -> RefundEnd:
        return self.answer(contracts.SETTLE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CLOSE)
    async def close(self, given: CloseRefund) -> RefundEnd:
        status = "cancelled" if given.failure.cancelled else "failed"
        default = RefundEnd(status, given.failure, ["ntf_1"])
        return self.answer(contracts.CLOSE, given, default)  # type: ignore[no-any-return]

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        activities: dict[str, list[Callable[..., Any]]] = {
            OPERATIONS: [self.settle, self.close, *self.of_all_kinds()],
            NOTIFICATIONS: [self.deliver],
            provider_queue(BANK): [self.give_back, self.find_out],
        }
        return activities[queue]


@dataclass
class RefundScenario:
    """Starts refunds in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedRefunds

    async def start(self) -> WorkflowHandle[Any, RefundEnd]:
        operation_id = new_id(contracts.ID_PREFIX)
        request = RefundRequest("cus_1", "tfr_1", "transfer", "acc_1", 500, "USD", "Not wanted.")
        handle: WorkflowHandle[Any, RefundEnd] = await self.client.start_workflow(
            contracts.WORKFLOW,
            RefundInput(operation_id, request, BANK, "sys_bank_USD"),
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=RefundEnd,
        )
        return handle
