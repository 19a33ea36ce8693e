"""Trades' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.capability.contracts import End, Held
from perdure.core.ids import new_id
from perdure.core.script import Bodies, Body, CallStep, OwnStep, ScriptStep, steps_of
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames
from perdure.durable.registration import registrations_of
from perdure.durable.scope import BEGIN_REVERSAL, ReversalBegun
from perdure.trades import contracts
from perdure.trades.contracts import (
    ASSETS,
    WALLETS,
    Blocked,
    BlockResolution,
    CloseTrade,
    Delivery,
    MoneyResolution,
    Moved,
    TradeInput,
    TradeRequest,
)
from perdure.trades.process import run_trade

from .script import Script

REQUEST = TradeRequest(
    asset="GEM",
    quantity_lots=3,
    price_minor=200,
    currency="USD",
    trade_number=7,
    buy_order_id="ord_01h455vb4pex5vsknk084sn02q",
    buyer_customer_id="cus_buyer",
    buyer_account_id="acc_buyer",
    buyer_fee_minor=6,
    sell_order_id="ord_01h455vb4pex5vsknk084sn02r",
    seller_customer_id="cus_seller",
    seller_account_id="acc_seller",
    seller_fee_minor=3,
)

BLOCKED = Blocked("blk_1", "blocked")
UNBLOCKED = BlockResolution(Blocked("blk_1", "unblocked"))
MOVED = Moved("wtr_1", "done")
RETURNED = MoneyResolution(Moved("wtr_1", "reversed"))
DELIVERED = Blocked("blk_1", "delivered")
SUCCEEDED = End("succeeded", notification_ids=["ntf_1"])

_CALLS = ("block_asset", "move_money", "deliver_asset")
"""What is undone, if it was begun."""


@dataclass
class ScriptedExchange(Script):
    """What trades ask for; without other answers, they succeed."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.OPEN: Held("ltr_1"),
            contracts.BLOCK_ASSET: BLOCKED,
            contracts.RESOLVE_BLOCK: BlockResolution(),
            contracts.MOVE_MONEY: MOVED,
            contracts.RESOLVE_MONEY: MoneyResolution(),
            contracts.DELIVER_ASSET: DELIVERED,
            contracts.RESOLVE_DELIVERY: Delivery(),
            contracts.SETTLE: SUCCEEDED,
            contracts.FIND_DELIVERY: Delivery(),
            contracts.RETURN_MONEY: RETURNED,
            contracts.UNBLOCK_ASSET: UNBLOCKED,
            contracts.CLOSE: _closed,
        }
    )

    @activity.defn(name=BEGIN_REVERSAL)
    async def begin_reversal(self, given: str) -> ReversalBegun:
        begun = [name for name in _CALLS if f"{contracts.KIND}.{name}" in self.calls]
        return self.answer(BEGIN_REVERSAL, given, ReversalBegun(begun))  # type: ignore[no-any-return]

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        if queue == NOTIFICATIONS:
            return [self.deliver]
        found = registrations_of(run_trade, [], self._bodies(), providers=[ASSETS, WALLETS])
        own = [self.begin_reversal, *self.of_all_kinds()] if queue == OPERATIONS else []
        return [*own, *next(part.activities for part in found if part.queue == queue)]

    def _bodies(self) -> Bodies:
        declared: list[ScriptStep[Any, Any]] = steps_of(run_trade)
        calls = [one for one in declared if isinstance(one, CallStep)]
        inquiries = [one.resolve for one in calls if one.resolve is not None]
        steps = [one for one in (*declared, *inquiries) if not isinstance(one, OwnStep)]
        return {step: self._body(step.name) for step in steps}

    def _body(self, name: str) -> Body:
        async def body(given: Any) -> Any:
            return self.answer(name, given)

        return body


def _closed(given: CloseTrade) -> End:
    return End("cancelled" if given.failure.cancelled else "failed", given.failure, ["ntf_1"])


@dataclass
class TradeScenario:
    """Starts trades in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedExchange

    async def start(self) -> WorkflowHandle[Any, End]:
        operation_id = new_id(contracts.ID_PREFIX)
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            contracts.WORKFLOW,
            TradeInput(operation_id, REQUEST),
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=End,
        )
        return handle
