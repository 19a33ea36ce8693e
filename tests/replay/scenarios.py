"""What a recorded scenario is; and the payments whose histories are recorded and replayed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from temporalio.client import WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.errors import (
    InsufficientFunds,
    ProviderAway,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderNotCalled,
    ProviderOutcomeUnknown,
)
from perdure.durable.scope import PARK, CancelCall
from perdure.fraud import contracts as fraud
from perdure.fraud.contracts import SCORE, SCORE_FIRST_TRY, FraudVerdict
from perdure.notifications.contracts import DELIVER, DELIVER_FIRST_TRY
from perdure.payments import contracts
from perdure.payments.contracts import ChargeOutcome
from tests.polls import eventually
from tests.workflows.scripted import PENDING, SUCCEEDED, PaymentScenario

Told = TypeVar("Told")
"""What starts the operations, and scripts the world around them."""

Drive = Callable[[Told, WorkflowHandle[Any, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Scenario(Generic[Told]):
    """An operation to record.

    Args:
        answers: What the scripted world answers otherwise than usual.
        start: What the operation is started with, beside what all are.
        holds: Texts its history has to hold, so that it does not prove nothing.
    """

    name: str
    drive: Drive[Told]
    answers: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    holds: tuple[str, ...] = ()


def closed(given: Any) -> End:
    """Return the end of what was closed."""
    status = "cancelled" if given.failure.cancelled else "failed"
    return End(status, given.failure, ["ntf_1"])


async def let_it_run(scenario: object, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.result()


async def confirm(scenario: PaymentScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.until_called(contracts.CHARGE)
    await scenario.confirm(handle)
    await handle.result()


async def cancel(scenario: PaymentScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.until_called(contracts.CHARGE)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    await handle.result()


async def leave_it_waiting(scenario: PaymentScenario, handle: WorkflowHandle[Any, End]) -> None:
    """Record it as it waits for the gateway: what a deploy meets."""

    async def it_waits() -> bool:
        return "EVENT_TYPE_TIMER_STARTED" in (await handle.fetch_history()).to_json()

    await eventually(it_waits)


SCENARIOS: list[Scenario[PaymentScenario]] = [
    Scenario("succeeded", confirm, holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",)),
    Scenario(
        "refused",
        let_it_run,
        {contracts.HOLD_FUNDS: InsufficientFunds("Not enough.")},
        holds=("EVENT_TYPE_MARKER_RECORDED",),
    ),
    Scenario(
        "declined", let_it_run, {contracts.CHARGE: ProviderDeclined("No.", code="card_declined")}
    ),
    Scenario(
        "unconfirmed",
        let_it_run,
        {contracts.CONFIRM_CHARGE: ChargeOutcome("ch_1", "cancelled")},
        start={"callback_timeout_s": 0.2},
        holds=("EVENT_TYPE_TIMER_FIRED",),
    ),
    Scenario(
        "outcome_found_out",
        confirm,
        {
            contracts.CHARGE: ProviderOutcomeUnknown("The answer was lost."),
            contracts.RESOLVE_CHARGE: contracts.ChargeResolution(PENDING),
        },
    ),
    Scenario("cancelled", cancel, holds=("EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED",)),
    Scenario("waiting", leave_it_waiting, holds=("EVENT_TYPE_TIMER_STARTED",)),
]


async def confirm_what_was_charged_at_once(
    scenario: PaymentScenario, handle: WorkflowHandle[Any, End]
) -> None:
    await scenario.until_called(contracts.CHARGE_FIRST_TRY)
    await scenario.confirm(handle)
    await handle.result()


SCENARIOS_AT_ONCE: list[Scenario[PaymentScenario]] = [
    Scenario(
        "at_once",
        confirm_what_was_charged_at_once,
        {
            SCORE_FIRST_TRY: fraud.FirstTry(FraudVerdict(passed=True, score=1)),
            contracts.CHARGE_FIRST_TRY: contracts.ChargeResolution(PENDING),
            DELIVER_FIRST_TRY: lambda _given: [],
        },
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
    Scenario(
        "told_by_the_queue",
        confirm,
        {DELIVER_FIRST_TRY: lambda given: given[1:]},
        holds=(DELIVER,),
    ),
]
"""What payments do since they try first where their workflow runs."""


async def confirm_after_a_lie(scenario: PaymentScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.until_called(contracts.CHARGE)
    await scenario.confirm(handle, ChargeOutcome("ch_x", "failed"))
    await scenario.until_called(contracts.CHECK_CHARGE)
    await scenario.confirm(handle)
    await handle.result()


async def let_a_difference_be_looked_into(
    scenario: PaymentScenario, handle: WorkflowHandle[Any, End]
) -> None:
    await scenario.until_called(contracts.CHARGE)
    await scenario.confirm(handle, ChargeOutcome("ch_1", "failed"))
    await scenario.until_called(PARK)
    await handle.signal("resume")
    await handle.result()


SCENARIOS_WITH_LIES: list[Scenario[PaymentScenario]] = [
    Scenario("lied_to", confirm_after_a_lie, holds=(contracts.CHECK_CHARGE,)),
    Scenario(
        "disagreed",
        let_a_difference_be_looked_into,
        {contracts.CHECK_CHARGE: [ProviderDisagrees("ch_2 instead of ch_1"), SUCCEEDED]},
        holds=("ProviderDisagrees",),
    ),
]
"""What payments do since they compare what callbacks tell."""


async def wait_for_the_gateway(scenario: PaymentScenario, handle: WorkflowHandle[Any, End]) -> None:
    await scenario.until_called(PARK)
    await handle.signal("resume")
    await scenario.until_called(contracts.CHARGE, times=2)
    await scenario.confirm(handle)
    await handle.result()


async def cancel_while_the_scorer_is_away(
    scenario: PaymentScenario, handle: WorkflowHandle[Any, End]
) -> None:
    await scenario.until_called(SCORE, times=2)
    await scenario.until_called(contracts.HOLD_FUNDS)
    await handle.signal("cancel", CancelCall("ada", "It takes too long."))
    await handle.result()


SCENARIOS_THAT_WAIT: list[Scenario[PaymentScenario]] = [
    Scenario(
        "waited_for_the_gateway",
        wait_for_the_gateway,
        {contracts.CHARGE: [ProviderAway("Nobody.", code="gateway_unavailable"), PENDING]},
        holds=("ProviderAway",),
    ),
    Scenario(
        "cancelled_while_the_scorer_is_away",
        cancel_while_the_scorer_is_away,
        {SCORE: ProviderNotCalled("Nobody.")},
        holds=("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",),
    ),
]
"""What payments do since an outage is waited for."""
