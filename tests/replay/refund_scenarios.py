"""The refunds whose histories are recorded and replayed."""

from typing import Any

from temporalio.client import WorkflowHandle

from perdure.core.errors import (
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.durable.interceptors.cancellation import CANCEL
from perdure.durable.scope import PARK, RESUME, CancelCall
from perdure.refunds import contracts
from perdure.refunds.contracts import FoundOut, RefundEnd
from tests.workflows.scripted_refunds import GIVEN, SUCCEEDED, RefundScenario

from .scenarios import Scenario, let_it_run

AWAY = ProviderUnavailable("away")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")


async def resume(scenario: RefundScenario, handle: WorkflowHandle[Any, RefundEnd]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal(RESUME)
    await handle.result()


async def cancel(scenario: RefundScenario, handle: WorkflowHandle[Any, RefundEnd]) -> None:
    await scenario.world.until_called(PARK)
    await handle.signal(CANCEL, CancelCall("ada", "It is wanted."))
    await handle.result()


REFUND_SCENARIOS: list[Scenario[RefundScenario]] = [
    Scenario("succeeded", let_it_run, holds=("EVENT_TYPE_ACTIVITY_TASK_COMPLETED",)),
    Scenario(
        "declined",
        let_it_run,
        {contracts.GIVE_BACK: ProviderDeclined("No.", code="not_refundable")},
        holds=("EVENT_TYPE_ACTIVITY_TASK_FAILED",),
    ),
    Scenario(
        "found_out",
        let_it_run,
        {contracts.GIVE_BACK: UNKNOWN, contracts.FIND_OUT: FoundOut(GIVEN)},
        holds=(contracts.FIND_OUT,),
    ),
    Scenario(
        "away_then_resumed",
        resume,
        {contracts.GIVE_BACK: [*[AWAY] * 5, GIVEN]},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", contracts.FIND_OUT),
    ),
    Scenario(
        "called_off",
        cancel,
        {contracts.GIVE_BACK: AWAY},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", contracts.FIND_OUT),
    ),
    Scenario(
        "called_off_after_it_was_given_back",
        let_it_run,
        {
            contracts.GIVE_BACK: [UNKNOWN, OperationCancelled("It is wanted.")],
            contracts.FIND_OUT: FoundOut(GIVEN),
        },
        holds=(contracts.FIND_OUT,),
    ),
    Scenario(
        "books_parked_then_resumed",
        resume,
        {contracts.SETTLE: [Refused("Frozen.", code="account_not_open"), SUCCEEDED]},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
]
