"""The transfers whose histories are recorded and replayed."""

from typing import Any

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End, FirstTry
from perdure.core.errors import (
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.durable.scope import REQUEST_CANCEL, CancelCall
from perdure.transfers import contracts
from perdure.transfers.contracts import PayoutResolution
from tests.workflows.scripted_transfers import PAID, SUCCEEDED, TransferScenario

from .scenarios import Scenario, let_it_run

CANCELLED = OperationCancelled("Wrong amount.")
AWAY = ProviderUnavailable("away")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")


async def cancel(scenario: TransferScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Cancel while the bank's answer is being found out; it turns out to have paid."""
    await scenario.world.until_called(contracts.RESOLVE_PAYOUT)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    await scenario.world.until_called(REQUEST_CANCEL)
    scenario.world.answers[contracts.RESOLVE_PAYOUT] = PayoutResolution(PAID)
    await handle.result()


TRANSFER_SCENARIOS: list[Scenario[TransferScenario]] = [
    Scenario(
        "at_once",
        let_it_run,
        {contracts.RUN_FIRST_TRY: FirstTry(SUCCEEDED, untold=["ntf_1"])},
        holds=("EVENT_TYPE_MARKER_RECORDED", "EVENT_TYPE_ACTIVITY_TASK_COMPLETED"),
    ),
    Scenario("step_by_step", let_it_run, holds=("EVENT_TYPE_ACTIVITY_TASK_COMPLETED",)),
    Scenario(
        "declined",
        let_it_run,
        {contracts.PAY_OUT: ProviderDeclined("No.", code="account_closed")},
        holds=("EVENT_TYPE_ACTIVITY_TASK_FAILED",),
    ),
    Scenario("bank_away_then_back", let_it_run, {contracts.PAY_OUT: [AWAY, AWAY, PAID]}),
    Scenario(
        "bank_away",
        let_it_run,
        {contracts.PAY_OUT: AWAY},
        holds=(contracts.RESOLVE_PAYOUT, contracts.RECALL_PAYOUT),
    ),
    Scenario(
        "outcome_found_out",
        let_it_run,
        {contracts.PAY_OUT: UNKNOWN, contracts.RESOLVE_PAYOUT: PayoutResolution(PAID)},
        holds=(contracts.RESOLVE_PAYOUT,),
    ),
    Scenario(
        "cancelled",
        cancel,
        {
            contracts.PAY_OUT: UNKNOWN,
            contracts.RESOLVE_PAYOUT: UNKNOWN,
            contracts.SETTLE: CANCELLED,
        },
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", contracts.RECALL_PAYOUT),
    ),
    Scenario(
        "cancelled_before_settle",
        let_it_run,
        {contracts.SETTLE: CANCELLED},
        holds=(contracts.RECALL_PAYOUT,),
    ),
]
