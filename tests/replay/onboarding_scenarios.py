"""The onboardings whose histories are recorded and replayed."""

from typing import Any

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.errors import ProviderDeclined, ProviderDisagrees, ProviderUnavailable
from perdure.durable.scope import PARK, RESUME, CancelCall
from perdure.identity import contracts as identity
from perdure.identity.contracts import TOLD, Found, Seen
from perdure.notifications.contracts import DELIVER
from perdure.onboarding import contracts
from tests.workflows.scripted_onboardings import APPROVED, BEGUN, OnboardingScenario

from .scenarios import Scenario, let_it_run

IN_REVIEW = Seen("chk_1", "in_review")
ASKED_AGAIN = Seen("chk_1", "resubmission_requested", ["selfie"])
EXPIRED = Seen("chk_1", "expired")
DECLINED = Seen("chk_1", "declined")
ELSEWHERE = ProviderDisagrees("It is somebody else's.")
AWAY = ProviderUnavailable("away")


async def tell(scenario: OnboardingScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Call back while the check is in review."""
    await scenario.world.until_called(identity.RECORD)
    await handle.signal(TOLD, "evt_1")
    await handle.result()


async def resume(scenario: OnboardingScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(PARK)
    scenario.world.answers[identity.LOOK] = APPROVED
    await handle.signal(RESUME)
    await handle.result()


async def cancel(scenario: OnboardingScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(identity.LOOK)
    await handle.signal("cancel", CancelCall("ada", "Not wanted."))
    await handle.result()


ONBOARDING_SCENARIOS: list[Scenario[OnboardingScenario]] = [
    Scenario("approved", let_it_run, holds=(identity.LOOK, contracts.LINK_BANK)),
    Scenario(
        "without_a_link",
        let_it_run,
        {contracts.LINK_BANK: AWAY},
        holds=("EVENT_TYPE_ACTIVITY_TASK_FAILED",),
    ),
    Scenario(
        "reviewed_and_told",
        tell,
        {identity.LOOK: [IN_REVIEW, IN_REVIEW, APPROVED]},
        {"inquiry_s": 0.5},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
    Scenario(
        "asked_for_more",
        let_it_run,
        {identity.LOOK: [ASKED_AGAIN, APPROVED], identity.RECORD: [[], ["ntf_2"], []]},
        holds=(DELIVER,),
    ),
    Scenario("declined", let_it_run, {identity.LOOK: DECLINED}, holds=(identity.LOOK,)),
    Scenario(
        "expired_and_begun_again",
        let_it_run,
        {identity.LOOK: [EXPIRED, APPROVED]},
        holds=(f"{identity.BEGIN_CHECK}_2",),
    ),
    Scenario(
        "not_checked",
        let_it_run,
        {identity.BEGIN_CHECK: ProviderDeclined("No.", code="identity_not_checked")},
        holds=("EVENT_TYPE_ACTIVITY_TASK_FAILED",),
    ),
    Scenario(
        "verifier_away",
        let_it_run,
        {identity.BEGIN_CHECK: AWAY},
        holds=(identity.RESOLVE_CHECK,),
    ),
    Scenario(
        "beginning_found_out",
        let_it_run,
        {identity.BEGIN_CHECK: AWAY, identity.RESOLVE_CHECK: Found(BEGUN)},
        holds=(identity.RESOLVE_CHECK, contracts.LINK_BANK),
    ),
    Scenario(
        "somebody_elses_answer",
        resume,
        {identity.LOOK: ELSEWHERE},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
    Scenario(
        "undecided",
        resume,
        {identity.LOOK: IN_REVIEW},
        {"undecided_s": 0.3},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
    Scenario("called_off", cancel, {identity.LOOK: IN_REVIEW}, holds=(identity.CALL_OFF,)),
]
