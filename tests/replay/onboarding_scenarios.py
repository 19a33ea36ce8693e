"""The onboardings whose histories are recorded and replayed; and what follows them."""

from types import NoneType
from typing import Any, Final

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.errors import ProviderDeclined, ProviderDisagrees, ProviderUnavailable
from perdure.core.ids import new_id
from perdure.core.script import ScriptStep
from perdure.durable.later import WAKE
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.scope import PARK, RESUME, CancelCall
from perdure.identity import contracts as identity
from perdure.identity import process as checking
from perdure.identity.contracts import (
    IDENTITY,
    RECHECK_WORKFLOW,
    TOLD,
    CheckOptions,
    Found,
    IdentityCheck,
    RecheckEnd,
    Seen,
    recheck_workflow_id,
)
from perdure.identity.recheck_workflow import CALLED_OFF, RecheckWorkflow
from perdure.notifications.contracts import DELIVER
from perdure.onboarding import contracts, process
from perdure.onboarding.contracts import (
    AGGREGATOR,
    FOLLOW_UP,
    FOLLOW_UP_WORKFLOW,
    Created,
    LeftOut,
    OnboardingInput,
    OnboardingOptions,
    OnboardingRequest,
    Opened,
    follow_up_workflow_id,
)
from perdure.onboarding.follow_up_workflow import FollowUpWorkflow
from perdure.onboarding.workflow import OnboardingWorkflow
from tests.workflows.scripted_steps import ScriptedKind, StepsScenario

from .scenarios import Scenario, closed, let_it_run

REQUEST = OnboardingRequest("cus_1", "Ada Lovelace", "ada@example.com", "1990-12-10", "FR")
BEGUN = Seen("chk_1", "created")
APPROVED = Seen("chk_1", "approved")
IN_REVIEW = Seen("chk_1", "in_review")
ASKED_AGAIN = Seen("chk_1", "resubmission_requested", ["selfie"])
EXPIRED = Seen("chk_1", "expired")
DECLINED = Seen("chk_1", "declined")
ELSEWHERE = ProviderDisagrees("It is somebody else's.")
AWAY = ProviderUnavailable("away")


AT_VERIFIER: Final[tuple[ScriptStep[Any, Any], ...]] = (
    *checking.BEGINNINGS,
    checking.RESOLVE,
    checking.LOOK,
    checking.CALL_OFF,
)
CHECKED: Final = {
    **{begin.name: BEGUN for begin in checking.BEGINNINGS},
    identity.RESOLVE_CHECK: Found(),
    identity.RECORD: [[]],
    identity.LOOK: APPROVED,
    identity.CALL_OFF: Found(),
}
"""What the verifier answers where the customer is approved."""


def _onboarding(**options: float) -> tuple[str, OnboardingInput]:
    operation_id = new_id(contracts.ID_PREFIX)
    check = CheckOptions(**{"inquiry_s": 0.2} | options)
    return operation_id, OnboardingInput(operation_id, REQUEST, OnboardingOptions(check))


def _follow_up() -> tuple[str, str]:
    operation_id = new_id(contracts.ID_PREFIX)
    return follow_up_workflow_id(operation_id), operation_id


def _recheck() -> tuple[str, IdentityCheck]:
    operation_id = new_id(contracts.ID_PREFIX)
    check = IdentityCheck(operation_id, REQUEST.customer_id, CheckOptions(inquiry_s=0.2), again=1)
    return recheck_workflow_id(operation_id, 1), check


ONBOARDING: Final = ScriptedKind(
    OnboardingWorkflow,
    contracts.WORKFLOW,
    _onboarding,
    {
        OPERATIONS: (
            *(process.CREATE_PROFILE, process.OPEN_ACCOUNTS, process.COMPLETE, process.CLOSE),
            checking.RECORD,
            ScriptStep(contracts.LEAVE_OUT_LINK, LeftOut, NoneType),
        ),
        provider_queue(IDENTITY): AT_VERIFIER,
        provider_queue(AGGREGATOR): (ScriptStep(contracts.LINK_BANK, OnboardingInput, NoneType),),
    },
    CHECKED
    | {
        contracts.CREATE_PROFILE: Created("cus_1"),
        contracts.OPEN_ACCOUNTS: Opened(["acc_1"]),
        contracts.COMPLETE: End("succeeded", notification_ids=["ntf_1"]),
        contracts.CLOSE: closed,
    },
)
FOLLOWED_UP: Final = ScriptedKind(
    FollowUpWorkflow,
    FOLLOW_UP_WORKFLOW,
    _follow_up,
    {OPERATIONS: (ScriptStep(FOLLOW_UP, str, list[str]),)},
    {},
)
CHECKED_AGAIN: Final = ScriptedKind(
    RecheckWorkflow,
    RECHECK_WORKFLOW,
    _recheck,
    {
        OPERATIONS: (checking.RECORD, ScriptStep(identity.END_RECHECK, RecheckEnd, NoneType)),
        provider_queue(IDENTITY): AT_VERIFIER,
    },
    CHECKED,
)


async def tell(scenario: StepsScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Call back while the check is in review."""
    await scenario.world.until_called(identity.RECORD)
    await handle.signal(TOLD, "evt_1")
    await handle.result()


async def resume(scenario: StepsScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(PARK)
    scenario.world.answers[identity.LOOK] = APPROVED
    await handle.signal(RESUME)
    await handle.result()


async def cancel(scenario: StepsScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.world.until_called(identity.LOOK)
    await handle.signal("cancel", CancelCall("ada", "Not wanted."))
    await handle.result()


ONBOARDING_SCENARIOS: list[Scenario[StepsScenario]] = [
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

FOLLOW_UP_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario("told", let_it_run, {FOLLOW_UP: lambda _: ["ntf_1"]}, holds=(DELIVER,)),
    Scenario("left", let_it_run, {FOLLOW_UP: lambda _: []}, holds=("EVENT_TYPE_MARKER_RECORDED",)),
]

RECHECK_SCENARIOS: list[Scenario[StepsScenario]] = [
    Scenario("approved", let_it_run, holds=(identity.LOOK,)),
    Scenario(
        "declined", let_it_run, {identity.LOOK: DECLINED}, holds=("EVENT_TYPE_MARKER_RECORDED",)
    ),
]
"""Checks that are made again as an approval ends."""


async def wake(scenario: StepsScenario, handle: WorkflowHandle[Any, Any]) -> None:
    """Have nothing be waited for any more, while the check is in review."""
    await scenario.world.until_called(identity.LOOK)
    await handle.signal(WAKE, "customer_erased")
    assert await handle.result() == CALLED_OFF


RECHECK_SCENARIOS_WOKEN: list[Scenario[StepsScenario]] = [
    Scenario("woken", wake, {identity.LOOK: IN_REVIEW}, holds=(identity.CALL_OFF,)),
]
