"""Renewals' outside world as a script: activities with the real names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.capability.contracts import End, Held
from perdure.core.ids import new_id
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.providers.registry import registry_name
from perdure.renewals import contracts
from perdure.renewals.contracts import (
    CloseRenewal,
    DomainOffer,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalInput,
    RenewalReport,
    RenewalRequest,
    RenewalResolution,
    Undone,
)

from .script import Script

REGISTRY = registry_name("info")
OFFER = DomainOffer("active", "2027-03-01", premium=False, year_price_minor=1499, currency="USD")
REPORT = RenewalReport("ren_1", "2028-03-01", 1499, "USD", "renewed")
SUCCEEDED = End("succeeded", notification_ids=["ntf_1"])


@dataclass
class ScriptedRegistry(Script):
    """What renewals ask for; without other answers, they succeed."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            contracts.CHECK_DOMAIN: OFFER,
            contracts.RENEW: REPORT,
            contracts.RESOLVE_RENEWAL: RenewalResolution(None),
            contracts.READ_REPORT: REPORT,
            contracts.RECORD: SUCCEEDED,
            contracts.UNDO_RENEWAL: Undone(),
            contracts.LET_STAND: SUCCEEDED,
        }
    )

    @activity.defn(name=contracts.CHECK_DOMAIN)
    async def check_domain(self, given: RenewalInput) -> DomainOffer:
        return self.answer(contracts.CHECK_DOMAIN, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.HOLD_FEE)
    async def hold_fee(self, given: HoldFee) -> Held:
        return self.answer(contracts.HOLD_FEE, given, Held("ltr_1"))  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RENEW)
    async def renew(self, given: RenewalInput) -> RenewalReport:
        return self.answer(contracts.RENEW, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RESOLVE_RENEWAL)
    async def resolve_renewal(self, given: RenewalInput) -> RenewalResolution:
        return self.answer(contracts.RESOLVE_RENEWAL, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.READ_REPORT)
    async def read_report(self, given: RenewalInput) -> RenewalReport:
        return self.answer(contracts.READ_REPORT, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.RECORD)
    async def record(self, given: RecordRenewal) -> End:
        return self.answer(contracts.RECORD, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.UNDO_RENEWAL)
    async def undo_renewal(self, given: RenewalInput) -> Undone:
        return self.answer(contracts.UNDO_RENEWAL, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.LET_STAND)
    async def let_stand(self, given: LetStand) -> End:
        return self.answer(contracts.LET_STAND, given)  # type: ignore[no-any-return]

    @activity.defn(name=contracts.CLOSE)
    async def close(self, given: CloseRenewal) -> End:
        status = "cancelled" if given.failure.cancelled else "failed"
        default = End(status, given.failure, ["ntf_1"])
        return self.answer(contracts.CLOSE, given, default)  # type: ignore[no-any-return]

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        activities: dict[str, list[Callable[..., Any]]] = {
            OPERATIONS: [
                self.hold_fee,
                self.record,
                self.let_stand,
                self.close,
                *self.of_all_kinds(),
            ],
            NOTIFICATIONS: [self.deliver],
            provider_queue(REGISTRY): [
                self.check_domain,
                self.renew,
                self.resolve_renewal,
                self.read_report,
                self.undo_renewal,
            ],
        }
        return activities[queue]


@dataclass
class RenewalScenario:
    """Starts renewals in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedRegistry

    async def start(self) -> WorkflowHandle[Any, End]:
        operation_id = new_id(contracts.ID_PREFIX)
        request = RenewalRequest("cus_1", "example.info", 1, "acc_1")
        handle: WorkflowHandle[Any, End] = await self.client.start_workflow(
            contracts.WORKFLOW,
            RenewalInput(operation_id, request, REGISTRY, OFFER.expires_on),
            id=operation_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
            result_type=End,
        )
        return handle
