"""The composition root: the one place where settings become objects and objects meet."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from perdure.capabilities import refuse_others
from perdure.capability.assembly import Kinds, operation_kinds, refundable_kinds
from perdure.capability.engine_flags import engine_flags, flag_attributes
from perdure.capability.recurring import recurring
from perdure.capability.wiring import Host, Work, WorkerHost
from perdure.config import Settings
from perdure.core import metrics
from perdure.core.errors import Conflict
from perdure.durable.bulks import registration as bulks
from perdure.durable.bulks.activities import BulkActivities
from perdure.durable.client import connect
from perdure.durable.deployments import Rollout, version_of
from perdure.durable.engine import TemporalEngine
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.provider_limits import ProviderLimits
from perdure.durable.interceptors.provider_tries import ProviderTries
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.lanes.activities import LaneActivities
from perdure.durable.lanes.workflow import LaneWorkflow
from perdure.durable.operation_activities import OperationActivities
from perdure.durable.payloads.converter import data_converter
from perdure.durable.payloads.ring import KeyRing
from perdure.durable.payloads.settings import PayloadSettings
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.registration import Registration
from perdure.durable.schedules import registration as schedules
from perdure.flags.provider import StoredFlagProvider
from perdure.flags.routing import EngineRouting, client_of
from perdure.flags.store import FlagStore
from perdure.fleet import Fleet
from perdure.ledger.choice import open_ledger
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.store import LedgerStore
from perdure.ledger.store_postgres import PostgresLedger
from perdure.ledger.verify import BalancesElsewhere
from perdure.limits.permits import Permits
from perdure.notifications import registration as notifications
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import Channel
from perdure.notifications.settings import NotificationSettings
from perdure.observability.observed import breakdown_reports, observed
from perdure.operations.bulk.runner import BulkRunner
from perdure.operations.bulk.service import BulkService
from perdure.operations.first_tries import FirstTries
from perdure.operations.janitor import Chore
from perdure.operations.lanes.bell import RING_INTERVAL_S
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.lanes.interactive import InteractiveLane, interactive_limits
from perdure.operations.lanes.permits import lane_permits
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.store import interactive_lane
from perdure.operations.lanes.work import LaneLimits, LaneProcess
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.service import OperationService
from perdure.operations.steps import TransactionalSteps
from perdure.operations.waiting import ProviderWaits
from perdure.outside import open_outside, use_of
from perdure.providers.mail import MAIL_ROLE
from perdure.providers.sms import SMS_ROLE
from perdure.storage.pool import Connection, Pool, open_pool
from perdure.storage.pool_metrics import measured
from perdure.storage.revisions import missing_revisions
from perdure.worker.plans import ALL, queues_of

_SOON_S: Final = 0.2
"""What runs in a workflow's own worker waits no longer for a provider's limit."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What every process of Perdure has: the API, the CLI and the workers."""

    settings: Settings
    pool: Pool
    client: Client
    queues: QueueNames
    engine: TemporalEngine
    permits: Permits
    waits: ProviderWaits
    ledger: LedgerStore[Connection]
    balances: BalancesElsewhere | None
    ledger_chores: Sequence[Chore]
    kinds: Kinds
    operations: OperationService
    bulks: BulkService
    flags: FlagStore
    flag_provider: StoredFlagProvider
    routing: EngineRouting

    @property
    def version(self) -> WorkerDeploymentVersion | None:
        """Which build this process is of; None: builds are not told apart."""
        return version_of(self.settings.deployment_name, self.settings.build_id)

    async def close(self) -> None:
        """End what goes on by itself, and give back what is held at providers."""
        await self.operations.close()
        await self.permits.close()


@asynccontextmanager
async def open_platform(
    settings: Settings,
    *,
    application_name: str,
    runtime: Runtime | None = None,
    lazy: bool = True,
) -> AsyncIterator[Platform]:
    """Open what a process has, and close it at the end.

    Args:
        application_name: How the process calls itself at the database.
        runtime: Temporal's runtime, with the process's metrics.
        lazy: Connect to Temporal at the first call, so that the process starts while it is away.
            A worker cannot.

    Raises:
        ConfigurationError: A setting is wrong or missing, a capability is wrong or not allowed,
            Temporal cannot be reached, or the database is none for this release.
    """
    refuse_others()
    async with open_pool(
        settings.require_database_url(),
        size=settings.database_pool_size,
        application_name=application_name,
    ) as pool:
        # A database from a newer release is refused; one that lacks something is migrated, and told
        # of by whoever needs it.
        await missing_revisions(pool)
        told = observed()
        client = await connect(
            runtime=runtime,
            lazy=lazy,
            plugins=told.plugins if told else (),
            data_converter=data_converter(settings.of(PayloadSettings), pool),
        )
        async with open_ledger(
            settings.ledger,
            pool,
            addresses=settings.tigerbeetle_addresses,
            cluster_id=settings.tigerbeetle_cluster_id,
            process=application_name,
        ) as ledger:
            platform = compose(settings, pool, client, ledger)
            async with platform.flag_provider.refreshing(), measured(pool):
                try:
                    yield platform
                finally:
                    await platform.close()


def compose(
    settings: Settings, pool: Pool, client: Client, ledger: OpenedLedger | None = None
) -> Platform:
    """Put the platform together on an open pool and a client.

    Its flags are read while `flag_provider.refreshing()` is entered.

    Args:
        ledger: None: the one on PostgreSQL.

    Raises:
        ConfigurationError: A capability is wrong.
    """
    queues, ledger = QueueNames(settings.queues), ledger or OpenedLedger(PostgresLedger())
    flags = FlagStore(pool, flag_attributes())
    engine = TemporalEngine(client, operation_kinds(), queues)
    flag_provider = StoredFlagProvider(flags)
    routing = EngineRouting(client_of(flag_provider), engine_flags())
    host = Host(settings, pool, client, queues, engine, ledger.store, routing, refundable_kinds())
    kinds = Kinds(host)
    operations = OperationService(pool, engine, kinds.actions, kinds.refunds)
    return Platform(
        settings=settings,
        pool=pool,
        client=client,
        queues=queues,
        engine=engine,
        permits=Permits(pool),
        waits=ProviderWaits(pool, kinds.patience),
        ledger=ledger.store,
        balances=ledger.balances,
        ledger_chores=ledger.chores,
        kinds=kinds,
        operations=operations,
        bulks=BulkService(pool, operations),
        flags=flags,
        flag_provider=flag_provider,
        routing=routing,
    )


def interceptors(platform: Platform) -> list[Interceptor]:
    """Return what wraps every workflow and activity, the outermost first."""
    return [
        OperationSync(platform.pool),
        Cancellation(),
        TaskQueues(platform.queues),
        ProviderTries(platform.waits, platform.queues),
        ProviderLimits(platform.permits, platform.queues),
    ]


@asynccontextmanager
async def open_registrations(platform: Platform) -> AsyncIterator[list[Registration]]:
    """Open the providers' clients, and give every queue its work.

    Raises:
        ConfigurationError: A capability is wrong.
    """
    settings, pool = platform.settings, platform.pool
    async with (
        open_outside(settings) as outside,
        LaneListener(settings.require_database_url()) as lane_listener,
    ):
        calls = ProviderCalls(pool)
        mail, sms = use_of(MAIL_ROLE, settings), use_of(SMS_ROLE, settings)
        messages = NotificationActivities(
            pool,
            calls,
            outside.made(mail),
            outside.made(sms),
            first_tries={
                channel: FirstTries(at_once_max=settings.first_tries_at_once) for channel in Channel
            },
            sender=settings.of(NotificationSettings).mail_sender,
            timeout_s=max(mail.timeout_s, sms.timeout_s),
        )
        works = await platform.kinds.work(
            WorkerHost(
                settings=settings,
                pool=pool,
                ledger=platform.ledger,
                refundable=refundable_kinds(),
                own=platform.kinds.own,
                steps=TransactionalSteps(pool),
                calls=calls,
                outside=outside,
                hear=lane_listener.hear,
                lane_in=platform.kinds.lane_in,
                begin=platform.operations.begin,
                deliver=messages.deliver_now,
                permit=lane_permits(platform.permits),
                permit_soon=platform.permits.within(_SOON_S),
            )
        )
        operations = OperationActivities(pool)
        rollout = Rollout(platform.client, platform.queues[OPERATIONS], platform.version)
        bulk_runner = BulkRunner(pool, platform.operations.actions, platform.kinds.lane_again)
        interactive = _interactive_lane(platform, works, lane_listener, rollout)
        yield [
            Registration(
                OPERATIONS,
                activities=[operations.request_cancel, operations.park, operations.begin_reversal],
                beside=[
                    rollout.watch,
                    interactive.run,
                    *breakdown_reports(pool),
                    *_fleet(platform, interactive),
                ],
            ),
            *(part for work in works.values() for part in work.registrations),
            *notifications.registrations(messages),
            schedules.registration(partial(_begin_due, platform)),
            *bulks.registrations(BulkActivities(pool, bulk_runner)),
            _lanes(platform, works, lane_listener),
        ]


async def _begin_due(platform: Platform, name: str, due_at: datetime) -> str:
    """Take in the operation that a time of a schedule asks for, and have it begun."""
    known = recurring()
    if name not in known:
        raise Conflict(f"Nothing that recurs is called {name!r} here.", code="kind_not_installed")
    async with platform.operations.transaction() as connection:
        operation = await known[name].accept(platform.kinds.own, connection, due_at)
    await platform.operations.begin(operation)
    return operation.id


def _interactive_lane(
    platform: Platform, works: Mapping[str, Work], listener: LaneListener, rollout: Rollout
) -> InteractiveLane:
    runner = LaneRunner(
        platform.pool,
        _processes(works),
        platform.operations.launch,
        limits=interactive_limits(platform.settings.lane_operations_at_once),
    )
    return InteractiveLane(
        platform.pool, runner, listener, _Flood(platform), takes_part=rollout.gives_work
    )


def _fleet(
    platform: Platform, interactive: InteractiveLane
) -> list[Callable[[asyncio.Event], Awaitable[None]]]:
    """Return what tells how the fleet stands, where metrics are collected."""
    if not metrics.are_collected():
        return []
    keys = platform.settings.of(PayloadSettings).keys
    return [
        Fleet(
            platform.pool,
            platform.client,
            queues={queue: platform.queues[queue] for queue in queues_of(ALL, platform.kinds)},
            kinds=operation_kinds().names,
            providers=sorted(platform.kinds.limited_providers),
            payload_key=KeyRing(keys).current if keys else None,
            leads=lambda: interactive_lane(0) in interactive.mine,
        ).run
    ]


@dataclass(frozen=True, slots=True)
class _Flood:
    platform: Platform

    def lane_of(self, kind: str, given: Mapping[str, Any]) -> int:
        return self.platform.kinds.flood_lane(kind, given)

    async def call(self, kind: str, number: int) -> None:
        await self.platform.operations.call_lane(kind, number)


def _processes(works: Mapping[str, Work]) -> Mapping[str, LaneProcess]:
    return {kind: work.lane for kind, work in works.items() if work.lane is not None}


def _lanes(platform: Platform, works: Mapping[str, Work], listener: LaneListener) -> Registration:
    waits_aside_s = max((work.waits_aside_s for work in works.values()), default=0)
    runner = LaneRunner(
        platform.pool,
        _processes(works),
        platform.operations.launch,
        limits=LaneLimits(
            at_once=platform.settings.lane_operations_at_once,
            # What waits aside is not taken for one that hangs.
            operation_s=60 + waits_aside_s,
            # What is accepted between two rings of the bell is found by who is awake.
            idle_s=2 * RING_INTERVAL_S,
        ),
        hear=listener.hear,
        wait=platform.waits.wait,
    )
    return Registration(LANES, [LaneWorkflow], [LaneActivities(runner).run])
