"""Payments' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.ids import new_id
from perdure.durable.queues import FRAUD, NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.fraud.contracts import (
    SCORE,
    SCORE_FIRST_TRY,
    SCORER,
    FirstTry,
    FraudCheck,
    FraudVerdict,
)
from perdure.payments import contracts
from perdure.payments.contracts import (
    ChargeOutcome,
    ChargeResolution,
    ClosePayment,
    GatewayCallback,
    Held,
    HoldFunds,
    PaymentInput,
    PaymentOptions,
    PaymentRequest,
    SettlePayment,
)

from .script import Script

PENDING = ChargeOutcome("ch_1", "pending")
SUCCEEDED = ChargeOutcome("ch_1", "succeeded")


def confirmation(payment_id: str, charge: ChargeOutcome = SUCCEEDED) -> GatewayCallback:
    """Return the gateway's callback for a payment of `PaymentScenario`."""
    return GatewayCallback("evt_1", charge, f"charge.{charge.status}", payment_id, 500, "USD")


@dataclass
class ScriptedWorld(Script):
    """What payments ask for; without other answers, they succeed."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.CHARGE: PENDING,
            contracts.RESOLVE_CHARGE: ChargeResolution(None),
            contracts.CHECK_CHARGE: PENDING,
            contracts.CONFIRM_CHARGE: SUCCEEDED,
            contracts.UNDO_CHARGE: ChargeResolution(SUCCEEDED),
            contracts.SETTLE: End("succeeded", notification_ids=["ntf_1", "ntf_2"]),
            SCORE: FraudVerdict(passed=True, score=1),
        }
    )

    @activity.defn(name=contracts.HOLD_FUNDS)
    async def hold_funds(self, given: HoldFunds) -> Held:
        return self.answer(contracts.HOLD_FUNDS, given, Held("ltr_1"))  # type: ignore[no-any-return]

    @activity.defn(name=contracts.SETTLE)
    async def settle(self, given: SettlePayment) -> End:
        return self.answer(contracts.SETTLE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CLOSE)
    async def close(self, given: ClosePayment) -> End:
        status = "cancelled" if given.failure.cancelled else "failed"
        default = End(status, given.failure, ["ntf_1"])
        return self.answer(contracts.CLOSE, given, default)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CHARGE)
    async def charge(self, given: PaymentInput) -> ChargeOutcome:
        return self.answer(contracts.CHARGE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CHARGE_FIRST_TRY)
    async def charge_first_try(self, given: PaymentInput) -> ChargeResolution:
        return self.answer_first_try(contracts.CHARGE_FIRST_TRY, given, ChargeResolution())  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RESOLVE_CHARGE)
    async def resolve_charge(self, given: PaymentInput) -> ChargeResolution:
        return self.answer(contracts.RESOLVE_CHARGE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CHECK_CHARGE)
    async def check_charge(self, given: PaymentInput) -> ChargeOutcome:
        return self.answer(contracts.CHECK_CHARGE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CONFIRM_CHARGE)
    async def confirm_charge(self, given: PaymentInput) -> ChargeOutcome:
        return self.answer(contracts.CONFIRM_CHARGE, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.UNDO_CHARGE)
    async def undo_charge(self, given: PaymentInput) -> ChargeResolution:
        return self.answer(contracts.UNDO_CHARGE, given)  # type: ignore[no-any-return]

    @activity.defn(name=SCORE)
    async def score(self, given: FraudCheck) -> FraudVerdict:
        return self.answer(SCORE, given)  # type: ignore[no-any-return]

    @activity.defn(name=SCORE_FIRST_TRY)
    async def score_first_try(self, given: FraudCheck) -> FirstTry:
        return self.answer_first_try(SCORE_FIRST_TRY, given, FirstTry())  # type: ignore[no-any-return]

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        activities: dict[str, list[Callable[..., Any]]] = {
            OPERATIONS: [
                self.hold_funds,
                self.charge_first_try,
                self.settle,
                self.close,
                *self.of_all_kinds(),
            ],
            FRAUD: [self.score_first_try],
            NOTIFICATIONS: [self.deliver],
            provider_queue(contracts.GATEWAY): [
                self.charge,
                self.resolve_charge,
                self.check_charge,
                self.confirm_charge,
                self.undo_charge,
            ],
            provider_queue(SCORER): [self.score],
        }
        return activities[queue]


@dataclass
class PaymentScenario:
    """Starts payments in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedWorld

    async def start(
        self,
        *,
        operation_id: str | None = None,
        callback_timeout_s: float = 20,
        daily_limit_minor: int | None = None,
    ) -> WorkflowHandle[Any, End]:
        operation_id = operation_id or new_id("pay")
        payment = PaymentInput(
            operation_id,
            PaymentRequest("cus_1", "acc_1", 500, "USD", "tok_ok"),
            PaymentOptions(callback_timeout_s, daily_limit_minor),
        )
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            contracts.WORKFLOW,
            payment,
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=End,
        )
        return handle

    async def confirm(
        self, handle: WorkflowHandle[Any, End], charge: ChargeOutcome = SUCCEEDED
    ) -> None:
        """Have the gateway's callback come."""
        await handle.signal(contracts.GATEWAY_CALLBACK, confirmation(handle.id, charge))

    async def until_called(self, name: str, *, times: int = 1) -> None:
        """Wait until the world was asked something."""
        await self.world.until_called(name, times=times)
