"""The payments whose histories are recorded and replayed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.core.errors import InsufficientFunds, ProviderDeclined, ProviderOutcomeUnknown
from perdure.durable.scope import CancelCall
from perdure.payments import contracts
from perdure.payments.contracts import ChargeOutcome, PaymentEnd
from tests.workflows.scripted import PENDING, PaymentScenario

HISTORIES = Path(__file__).parent / "histories"

Drive = Callable[[PaymentScenario, WorkflowHandle[Any, PaymentEnd]], Awaitable[None]]


async def let_it_run(scenario: PaymentScenario, handle: WorkflowHandle[Any, PaymentEnd]) -> None:
    await handle.result()


async def confirm(scenario: PaymentScenario, handle: WorkflowHandle[Any, PaymentEnd]) -> None:
    await scenario.until_called(contracts.CHARGE)
    await scenario.confirm(handle)
    await handle.result()


async def cancel(scenario: PaymentScenario, handle: WorkflowHandle[Any, PaymentEnd]) -> None:
    await scenario.until_called(contracts.CHARGE)
    await handle.signal("cancel", CancelCall("ada", "Wrong amount."))
    await handle.result()


async def leave_it_waiting(
    scenario: PaymentScenario, handle: WorkflowHandle[Any, PaymentEnd]
) -> None:
    """Record it as it waits for the gateway: what a deploy meets."""
    for _ in range(200):
        if "EVENT_TYPE_TIMER_STARTED" in (await handle.fetch_history()).to_json():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never waited")


@dataclass(frozen=True)
class Scenario:
    """A payment to record.

    Args:
        holds: Events its history has to hold, so that it does not prove nothing.
    """

    name: str
    drive: Drive
    answers: dict[str, Any] = field(default_factory=dict)
    callback_timeout_s: float = 20
    holds: tuple[str, ...] = ()


SCENARIOS = [
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
        callback_timeout_s=0.2,
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
