"""Onboardings' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.capability.contracts import End
from perdure.core.ids import new_id
from perdure.core.script import ScriptStep
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.identity import contracts as identity
from perdure.identity import process as checking
from perdure.identity.contracts import IDENTITY, CheckOptions, Found, Seen
from perdure.onboarding import contracts, process
from perdure.onboarding.contracts import (
    AGGREGATOR,
    Created,
    LeftOut,
    OnboardingInput,
    OnboardingOptions,
    OnboardingRequest,
    Opened,
)

from .script import Script

BEGUN = Seen("chk_1", "created")
APPROVED = Seen("chk_1", "approved")
SUCCEEDED = End("succeeded", notification_ids=["ntf_1"])
REQUEST = OnboardingRequest("cus_1", "Ada Lovelace", "ada@example.com", "1990-12-10", "FR")


def _closed(given: Any) -> End:
    status = "cancelled" if given.failure.cancelled else "failed"
    return End(status, given.failure, ["ntf_1"])


@dataclass
class ScriptedVerifier(Script):
    """What onboardings ask for; without other answers, the customer is approved."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.CREATE_PROFILE: Created("cus_1"),
            identity.BEGIN_CHECK: BEGUN,
            f"{identity.BEGIN_CHECK}_2": BEGUN,
            f"{identity.BEGIN_CHECK}_3": BEGUN,
            identity.RESOLVE_CHECK: Found(),
            identity.RECORD: [[]],
            identity.LOOK: APPROVED,
            identity.CALL_OFF: Found(),
            contracts.OPEN_ACCOUNTS: Opened(["acc_1"]),
            contracts.COMPLETE: SUCCEEDED,
            contracts.CLOSE: _closed,
            contracts.LINK_BANK: None,
            contracts.LEAVE_OUT_LINK: None,
        }
    )

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        ours: tuple[ScriptStep[Any, Any], ...] = (
            *(process.CREATE_PROFILE, process.OPEN_ACCOUNTS, process.COMPLETE, process.CLOSE),
            checking.RECORD,
        )
        at_verifier: tuple[ScriptStep[Any, Any], ...] = (
            *checking.BEGINNINGS,
            *(checking.RESOLVE, checking.LOOK, checking.CALL_OFF),
        )
        activities: dict[str, list[Callable[..., Any]]] = {
            OPERATIONS: [*map(self._scripted, ours), self.leave_out, *self.of_all_kinds()],
            NOTIFICATIONS: [self.deliver],
            provider_queue(IDENTITY): [*map(self._scripted, at_verifier)],
            provider_queue(AGGREGATOR): [self.link_bank],
        }
        return activities[queue]

    @activity.defn(name=contracts.LINK_BANK)
    async def link_bank(self, given: OnboardingInput) -> None:
        self.answer(contracts.LINK_BANK, given)

    @activity.defn(name=contracts.LEAVE_OUT_LINK)
    async def leave_out(self, given: LeftOut) -> None:
        self.answer(contracts.LEAVE_OUT_LINK, given)

    def _scripted(self, step: ScriptStep[Any, Any]) -> Callable[..., Any]:
        async def run(given: Any) -> Any:
            return self.answer(step.name, given)

        run.__annotations__ = {"given": step.takes, "return": step.returns}
        return activity.defn(name=step.name)(run)


@dataclass
class OnboardingScenario:
    """Starts onboardings in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedVerifier

    async def start(self, **options: float) -> WorkflowHandle[Any, End]:
        operation_id = new_id(contracts.ID_PREFIX)
        check = CheckOptions(**{"inquiry_s": 0.2} | options)
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            contracts.WORKFLOW,
            OnboardingInput(operation_id, REQUEST, OnboardingOptions(check)),
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=End,
        )
        return handle
