"""The renewals whose histories are recorded and replayed."""

from dataclasses import replace
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.errors import (
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.durable.scope import PARK, CancelCall
from perdure.renewals import contracts
from perdure.renewals.contracts import RenewalResolution, Undone
from tests.polls import eventually
from tests.workflows.scripted_renewals import OFFER, REPORT, RenewalScenario

from .scenarios import Scenario, let_it_run

CANCELLED = OperationCancelled("Wrong domain.")
AWAY = ProviderUnavailable("away")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")
GARBLED = replace(REPORT, price_minor=1)


async def resume(scenario: RenewalScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Have a renewal go on that was parked while its registry was away."""
    await scenario.world.until_called(PARK)
    scenario.world.answers[contracts.RENEW] = REPORT
    await handle.signal("resume")
    await handle.result()


async def cancel(scenario: RenewalScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Call off a renewal that was parked."""
    await scenario.world.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "Wrong domain."))
    await handle.result()


async def leave_it_parked(scenario: RenewalScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Record it as it waits for an operator: what a deploy meets."""
    await scenario.world.until_called(PARK)

    async def it_is_parked() -> bool:
        # One of the hold, one of the parking.
        return (await handle.fetch_history()).to_json().count("EVENT_TYPE_MARKER_RECORDED") == 2

    await eventually(it_is_parked)


RENEWAL_SCENARIOS: list[Scenario[RenewalScenario]] = [
    Scenario("succeeded", let_it_run, holds=("EVENT_TYPE_ACTIVITY_TASK_COMPLETED",)),
    Scenario("refused", let_it_run, {contracts.CHECK_DOMAIN: replace(OFFER, premium=True)}),
    Scenario(
        "declined",
        let_it_run,
        {contracts.RENEW: ProviderDeclined("No.", code="domain_locked")},
        holds=("EVENT_TYPE_ACTIVITY_TASK_FAILED",),
    ),
    Scenario("registry_away_then_back", let_it_run, {contracts.RENEW: [AWAY, AWAY, REPORT]}),
    Scenario("parked", leave_it_parked, {contracts.RENEW: AWAY}, holds=(contracts.RENEW,)),
    Scenario(
        "parked_and_resumed",
        resume,
        {contracts.RENEW: AWAY},
        holds=(contracts.RESOLVE_RENEWAL, "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"),
    ),
    Scenario(
        "parked_and_cancelled",
        cancel,
        {contracts.RENEW: AWAY},
        holds=(contracts.UNDO_RENEWAL, "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"),
    ),
    Scenario(
        "outcome_found_out",
        let_it_run,
        {contracts.RENEW: UNKNOWN, contracts.RESOLVE_RENEWAL: RenewalResolution(REPORT)},
        holds=(contracts.RESOLVE_RENEWAL,),
    ),
    Scenario(
        "report_read_again",
        let_it_run,
        {contracts.RENEW: GARBLED},
        holds=(contracts.READ_REPORT,),
    ),
    Scenario(
        "cancelled_before_record",
        let_it_run,
        {contracts.RECORD: CANCELLED},
        holds=(contracts.UNDO_RENEWAL,),
    ),
    Scenario(
        "left_standing",
        let_it_run,
        {contracts.RECORD: CANCELLED, contracts.UNDO_RENEWAL: Undone(REPORT, "Not refundable.")},
        holds=(contracts.UNDO_RENEWAL,),
    ),
]

RENEWAL_SCENARIOS_CALLED_OFF: list[Scenario[RenewalScenario]] = [
    Scenario(
        "called_off_before_it_came_to_the_registry",
        cancel,
        {contracts.CHECK_DOMAIN: AWAY},
        holds=(contracts.UNDO_RENEWAL, "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"),
    ),
]
"""Since `UNDO_EARLIER_RUNS`."""
