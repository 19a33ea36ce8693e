"""Transfers' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.capability.contracts import End, FirstTry, Held
from perdure.core.ids import new_id
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.transfers import contracts
from perdure.transfers.contracts import (
    CloseTransfer,
    PayoutOutcome,
    PayoutResolution,
    SettleTransfer,
    TransferInput,
    TransferRequest,
)

from .script import Script

PAID = PayoutOutcome("po_1", "paid")
RECALLED = PayoutOutcome("po_1", "recalled")
SUCCEEDED = End("succeeded", notification_ids=["ntf_1"])


@dataclass
class ScriptedBank(Script):
    """What transfers ask for; without other answers, they go step by step, and succeed."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.RUN_FIRST_TRY: FirstTry(),
            contracts.PAY_OUT: PAID,
            contracts.RESOLVE_PAYOUT: PayoutResolution(None),
            contracts.RECALL_PAYOUT: PayoutResolution(RECALLED),
            contracts.SETTLE: SUCCEEDED,
        }
    )

    @activity.defn(name=contracts.RUN_FIRST_TRY)
    async def run_first_try(self, given: TransferInput) -> FirstTry:
        return self.answer(contracts.RUN_FIRST_TRY, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.HOLD_FUNDS)
    async def hold_funds(self, given: TransferInput) -> Held:
        return self.answer(contracts.HOLD_FUNDS, given, Held("ltr_1"))  # type: ignore[no-any-return]

    @activity.defn(name=contracts.SETTLE)
    async def settle(self, given: SettleTransfer) -> End:
        return self.answer(contracts.SETTLE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CLOSE)
    async def close(self, given: CloseTransfer) -> End:
        status = "cancelled" if given.failure.cancelled else "failed"
        default = End(status, given.failure, ["ntf_1"])
        return self.answer(contracts.CLOSE, given, default)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.PAY_OUT)
    async def pay_out(self, given: TransferInput) -> PayoutOutcome:
        return self.answer(contracts.PAY_OUT, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RESOLVE_PAYOUT)
    async def resolve_payout(self, given: TransferInput) -> PayoutResolution:
        return self.answer(contracts.RESOLVE_PAYOUT, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RECALL_PAYOUT)
    async def recall_payout(self, given: TransferInput) -> PayoutResolution:
        return self.answer(contracts.RECALL_PAYOUT, given)  # type: ignore[no-any-return]

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        activities: dict[str, list[Callable[..., Any]]] = {
            OPERATIONS: [
                self.run_first_try,
                self.hold_funds,
                self.settle,
                self.close,
                *self.of_all_kinds(),
            ],
            NOTIFICATIONS: [self.deliver],
            provider_queue(contracts.BANK): [
                self.pay_out,
                self.resolve_payout,
                self.recall_payout,
            ],
        }
        return activities[queue]


@dataclass
class TransferScenario:
    """Starts transfers in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedBank

    async def start(self) -> WorkflowHandle[Any, End]:
        operation_id = new_id(contracts.ID_PREFIX)
        request = TransferRequest("cus_1", "acc_1", 500, "USD", "dest_ok")
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            contracts.WORKFLOW,
            TransferInput(operation_id, request),
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=End,
        )
        return handle
