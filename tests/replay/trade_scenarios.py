"""The trades whose histories are recorded and replayed, and those of what undoes them."""

from typing import Any

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.errors import (
    OperationCancelled,
    PerdureError,
    ProviderAway,
    ProviderDeclined,
    Refused,
)
from perdure.durable.interceptors.cancellation import CANCEL
from perdure.durable.scope import PARK, RESUME, CancelCall
from perdure.trades import contracts
from perdure.trades.contracts import Delivery
from tests.workflows.scripted_trades import DELIVERED, MOVED, RETURNED, SUCCEEDED, TradeScenario

from .scenarios import Scenario, let_it_run

DECLINED = ProviderDeclined("It will not.", code="recipient_frozen")
STARTED = "EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED"
SIGNALLED = "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"


async def resume(scenario: TradeScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal(RESUME)
    await handle.result()


async def cancel(scenario: TradeScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal(CANCEL, CancelCall("ada", "It is wanted."))
    await handle.result()


TRADE_SCENARIOS: list[Scenario[TradeScenario]] = [
    Scenario("succeeded", let_it_run, holds=(contracts.DELIVER_ASSET,)),
    Scenario(
        "found_out",
        let_it_run,
        {
            contracts.DELIVER_ASSET: PerdureError("Its tries are used up."),
            contracts.RESOLVE_DELIVERY: Delivery(DELIVERED),
        },
        holds=(contracts.RESOLVE_DELIVERY,),
    ),
    Scenario(
        "away_then_resumed",
        resume,
        {contracts.MOVE_MONEY: [ProviderAway("It is away."), MOVED]},
        holds=(SIGNALLED,),
    ),
    Scenario(
        "books_parked_then_resumed",
        resume,
        {contracts.SETTLE: [Refused("Frozen.", code="account_not_open"), SUCCEEDED]},
        holds=(SIGNALLED,),
    ),
]
TRADE_SCENARIOS_UNDONE: list[Scenario[TradeScenario]] = [
    Scenario("undone", let_it_run, {contracts.DELIVER_ASSET: DECLINED}, holds=(STARTED,)),
    Scenario(
        "called_off",
        cancel,
        {contracts.DELIVER_ASSET: ProviderAway("It is away.")},
        holds=(SIGNALLED, STARTED),
    ),
    Scenario(
        "delivered_after_all",
        let_it_run,
        {
            contracts.DELIVER_ASSET: OperationCancelled("It is wanted."),
            contracts.FIND_DELIVERY: Delivery(DELIVERED),
        },
        holds=(STARTED,),
    ),
    Scenario(
        "undoing_parked_then_resumed",
        resume,
        {contracts.DELIVER_ASSET: DECLINED, contracts.RETURN_MONEY: [DECLINED, RETURNED]},
        holds=(SIGNALLED, STARTED),
    ),
]
"""What a child workflow of its own is recorded of beside."""

REVERSAL_SCENARIOS: list[Scenario[TradeScenario]] = [
    Scenario("undone", let_it_run, holds=(contracts.RETURN_MONEY, contracts.UNBLOCK_ASSET)),
    Scenario("called_off", let_it_run, holds=(contracts.FIND_DELIVERY, contracts.UNBLOCK_ASSET)),
    Scenario("delivered_after_all", let_it_run, holds=(contracts.FIND_DELIVERY,)),
    Scenario("undoing_parked_then_resumed", let_it_run, holds=(SIGNALLED,)),
]
"""Those child workflows' own histories."""
