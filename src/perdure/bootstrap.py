"""The composition root: the one place where settings become objects and objects meet."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from perdure.config import Settings
from perdure.core.script import Bodies
from perdure.durable.bulks import registration as bulks
from perdure.durable.bulks.activities import BulkActivities
from perdure.durable.bulks.registration import BULKS
from perdure.durable.client import connect
from perdure.durable.engine import TemporalEngine
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.provider_limits import ProviderLimits
from perdure.durable.interceptors.provider_tries import ProviderTries
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.lanes.activities import LaneActivities
from perdure.durable.lanes.workflow import LaneWorkflow
from perdure.durable.operation_activities import OperationActivities
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.registration import Registration
from perdure.flags.provider import StoredFlagProvider
from perdure.flags.routing import EngineRouting, client_of
from perdure.flags.store import FlagStore
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.fraud.contracts import SCORER
from perdure.lane_choice import lane_chooser
from perdure.ledger.store_postgres import PostgresLedger
from perdure.limits.permits import Permits
from perdure.notifications import registration as notifications
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import Channel
from perdure.operations.bulk.runner import BulkRunner
from perdure.operations.bulk.service import BulkService
from perdure.operations.first_tries import FirstTries
from perdure.operations.kinds import OperationKinds
from perdure.operations.lanes.bell import RING_INTERVAL_S
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.lanes.runner import LaneLimits, LaneProcess, LaneRunner, lane_permits
from perdure.operations.lanes.script import LaneScript, first_try_of
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.service import OperationService
from perdure.operations.steps import TransactionalSteps
from perdure.operations.waiting import ProviderWaits
from perdure.outside import Outside, open_outside
from perdure.patience import patience_of
from perdure.payments import registration as payments
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.at_once import PaymentAtOnceActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GATEWAY
from perdure.payments.lane import PaymentLane
from perdure.payments.late_charges import LateChargeActivities
from perdure.payments.refunds import REFUNDABLE_PAYMENTS, GatewayRefunds
from perdure.payments.registration import PAYMENTS
from perdure.payments.reporting import PaymentReporting
from perdure.payments.rules import PaymentLimits
from perdure.providers.bank import PayoutBank
from perdure.providers.gateway import PaymentGateway
from perdure.providers.registry import DomainRegistry, RegistryDirectory, registry_name
from perdure.refunds import registration as refunds
from perdure.refunds.acceptance import RefundAcceptance
from perdure.refunds.activities import RefundLedgerActivities, RefundProviderActivities
from perdure.refunds.contracts import RefundProvider
from perdure.refunds.registration import REFUNDS
from perdure.renewals import registration as renewals
from perdure.renewals.acceptance import RenewalAcceptance
from perdure.renewals.activities import RenewalLedgerActivities
from perdure.renewals.desk import RenewalDesk
from perdure.renewals.lane import RenewalLane
from perdure.renewals.refunds import REFUNDABLE_RENEWALS, RegistryRefunds
from perdure.renewals.registration import RENEWALS
from perdure.renewals.registry_activities import RenewalRegistryActivities
from perdure.storage.pool import Pool, open_pool
from perdure.storage.revisions import missing_revisions
from perdure.transfers import registration as transfers
from perdure.transfers.acceptance import TransferAcceptance
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.contracts import BANK, FirstTry, TransferInput
from perdure.transfers.process import run_transfer
from perdure.transfers.refunds import REFUNDABLE_TRANSFERS, BankRecalls
from perdure.transfers.registration import TRANSFERS
from perdure.transfers.rules import TransferLimits

KINDS = OperationKinds([PAYMENTS, TRANSFERS, RENEWALS, REFUNDS, BULKS])
KINDS_WITH_LANES: Final = frozenset({PAYMENTS.name, TRANSFERS.name, RENEWALS.name})
REFUNDABLE: Final = {
    kind.name: kind for kind in (REFUNDABLE_PAYMENTS, REFUNDABLE_TRANSFERS, REFUNDABLE_RENEWALS)
}

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
    providers: frozenset[str]
    ledger: PostgresLedger
    operations: OperationService
    bulks: BulkService
    payments: PaymentAcceptance
    transfers: TransferAcceptance
    renewals: RenewalDesk
    payment_reporting: PaymentReporting
    gateway_callbacks: GatewayCallbacks
    flags: FlagStore
    flag_provider: StoredFlagProvider
    routing: EngineRouting


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
        ConfigurationError: A setting is wrong or missing, Temporal cannot be reached, or the
            database is none for this release.
    """
    async with open_pool(
        settings.require_database_url(),
        size=settings.database_pool_size,
        application_name=application_name,
    ) as pool:
        # A database from a newer release is refused; one that lacks something is migrated, and told
        # of by whoever needs it.
        await missing_revisions(pool)
        client = await connect(runtime=runtime, lazy=lazy)
        platform = compose(settings, pool, client)
        async with platform.flag_provider.refreshing():
            try:
                yield platform
            finally:
                await platform.operations.close()
                await platform.permits.close()


def compose(settings: Settings, pool: Pool, client: Client) -> Platform:
    """Put the platform together on an open pool and a client.

    Its flags are read while `flag_provider.refreshing()` is entered.
    """
    queues = QueueNames(settings.queues)
    engine = TemporalEngine(client, KINDS, queues)
    ledger = PostgresLedger()
    flags = FlagStore(pool)
    flag_provider = StoredFlagProvider(flags)
    limits = PaymentLimits(settings.payment_amount_limit, settings.payment_daily_limit)
    payment_acceptance = PaymentAcceptance(
        ledger, limits, callback_timeout_s=settings.payment_callback_timeout_s
    )
    transfer_acceptance = TransferAcceptance(ledger, TransferLimits(settings.transfer_amount_limit))
    renewal_acceptance = RenewalAcceptance(ledger, settings.tlds, lanes=settings.lanes)
    refund_acceptance = RefundAcceptance(ledger, REFUNDABLE.values())
    operations = OperationService(
        pool,
        engine,
        {
            PAYMENTS.name: payment_acceptance,
            TRANSFERS.name: transfer_acceptance,
            RENEWALS.name: renewal_acceptance,
            REFUNDS.name: refund_acceptance,
        },
        refund_acceptance,
    )
    routing = EngineRouting(client_of(flag_provider))
    return Platform(
        settings=settings,
        pool=pool,
        client=client,
        queues=queues,
        engine=engine,
        permits=Permits(pool),
        waits=ProviderWaits(pool, patience_of(settings)),
        providers=frozenset({GATEWAY, BANK, SCORER, *map(registry_name, settings.tlds)}),
        ledger=ledger,
        operations=operations,
        bulks=BulkService(pool, operations),
        payments=payment_acceptance,
        transfers=transfer_acceptance,
        renewals=RenewalDesk(renewal_acceptance, routing),
        payment_reporting=PaymentReporting(client),
        gateway_callbacks=GatewayCallbacks(pool, engine),
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
    """Open the providers' clients, and give every queue its work."""
    settings, pool = platform.settings, platform.pool
    async with (
        open_outside(settings) as outside,
        LaneListener(settings.require_database_url()) as lane_listener,
    ):
        steps, calls = TransactionalSteps(pool), ProviderCalls(pool)
        messages = NotificationActivities(
            pool,
            calls,
            outside.mail,
            outside.sms,
            first_tries={channel: _first_tries(settings) for channel in Channel},
            sender=settings.mail_sender,
            timeout_s=settings.provider_timeout_s,
        )
        gateway_tries, bank_tries = _first_tries(settings), _first_tries(settings)
        payment_steps = _payment_steps(platform, calls, steps, outside.gateway, gateway_tries)
        transfer_steps = _transfer_steps(platform, calls, steps, outside.bank, bank_tries)
        renewal_steps = _renewal_steps(platform, calls, steps, outside.registries)
        permit, at_once = lane_permits(platform.permits), platform.permits.within(_SOON_S)
        transfers_at_once = first_try_of(
            run_transfer,
            FirstTry,
            transfer_steps,
            deliver=messages.deliver_now,
            permit=at_once,
            first_tries=bank_tries,
        )
        payments_at_once = PaymentAtOnceActivities(payment_steps[1], gateway_tries, at_once)
        checks = FraudActivities(pool, outside.scorer, _first_tries(settings), at_once)
        processes = {
            PAYMENTS.name: PaymentLane(
                *payment_steps,
                checks.score,
                platform.gateway_callbacks,
                deliver=messages.deliver_now,
                permit=permit,
                confirmation_s=settings.lane_confirmation_s,
            ).run,
            TRANSFERS.name: LaneScript(
                run_transfer,
                TransferInput,
                transfer_steps,
                deliver=messages.deliver_now,
                permit=permit,
            ).run,
            RENEWALS.name: RenewalLane(*renewal_steps, messages.deliver_now, permit).run,
        }
        operations = OperationActivities(pool)
        yield [
            Registration(OPERATIONS, activities=[operations.request_cancel, operations.park]),
            *payments.registrations(
                *payment_steps,
                payments_at_once,
                LateChargeActivities(pool, outside.gateway, payment_steps[1].charges),
            ),
            *transfers.registrations(transfer_steps, transfers_at_once),
            *renewals.registrations(*renewal_steps, map(registry_name, settings.tlds)),
            *_refunds(platform, calls, steps, outside),
            *fraud.registrations(checks),
            *notifications.registrations(messages),
            *bulks.registrations(_bulk_steps(platform)),
            _lanes(platform, processes, lane_listener),
        ]


def _payment_steps(
    platform: Platform,
    calls: ProviderCalls,
    steps: TransactionalSteps,
    gateway: PaymentGateway,
    first_tries: FirstTries,
) -> tuple[PaymentLedgerActivities, PaymentGatewayActivities]:
    return (
        PaymentLedgerActivities(platform.pool, steps, platform.ledger),
        PaymentGatewayActivities(
            calls,
            steps,
            gateway,
            platform.gateway_callbacks,
            first_tries=first_tries,
            callback_url=platform.settings.gateway_callback_url,
            timeout_s=platform.settings.gateway_timeout_s,
        ),
    )


def _transfer_steps(
    platform: Platform,
    calls: ProviderCalls,
    steps: TransactionalSteps,
    bank: PayoutBank,
    first_tries: FirstTries,
) -> Bodies:
    timeout_s = platform.settings.bank_timeout_s
    return transfers.bodies_of(
        TransferLedgerActivities(platform.pool, steps, platform.ledger),
        TransferBankActivities(calls, steps, bank, first_tries=first_tries, timeout_s=timeout_s),
    )


def _renewal_steps(
    platform: Platform,
    calls: ProviderCalls,
    steps: TransactionalSteps,
    registries: Mapping[str, DomainRegistry],
) -> tuple[RenewalLedgerActivities, RenewalRegistryActivities]:
    timeout_s = platform.settings.registry_timeout_s
    return (
        RenewalLedgerActivities(platform.pool, steps, platform.ledger),
        RenewalRegistryActivities(
            platform.pool, calls, steps, RegistryDirectory(registries), timeout_s=timeout_s
        ),
    )


def _refunds(
    platform: Platform, calls: ProviderCalls, steps: TransactionalSteps, outside: Outside
) -> list[Registration]:
    settings = platform.settings
    named = {registry_name(tld): registry for tld, registry in outside.registries.items()}
    providers: dict[str, RefundProvider] = {
        PAYMENTS.name: GatewayRefunds(outside.gateway, timeout_s=settings.gateway_timeout_s),
        TRANSFERS.name: BankRecalls(outside.bank, timeout_s=settings.bank_timeout_s),
        RENEWALS.name: RegistryRefunds(named, timeout_s=settings.registry_timeout_s),
    }
    assert providers.keys() == REFUNDABLE.keys()
    return refunds.registrations(
        RefundLedgerActivities(steps, platform.ledger, REFUNDABLE),
        RefundProviderActivities(calls, providers),
        [GATEWAY, BANK, *named],
    )


def _first_tries(settings: Settings) -> FirstTries:
    return FirstTries(at_once_max=settings.first_tries_at_once)


def _bulk_steps(platform: Platform) -> BulkActivities:
    lane_for = lane_chooser(KINDS_WITH_LANES, platform.settings.lanes, platform.renewals)
    runner = BulkRunner(platform.pool, platform.operations.actions, lane_for)
    return BulkActivities(platform.pool, runner)


def _lanes(
    platform: Platform, processes: Mapping[str, LaneProcess], listener: LaneListener
) -> Registration:
    assert processes.keys() == KINDS_WITH_LANES
    runner = LaneRunner(
        platform.pool,
        processes,
        platform.operations.launch,
        limits=LaneLimits(
            at_once=platform.settings.lane_operations_at_once,
            # What waits aside for its confirmation is not taken for one that hangs.
            operation_s=60 + platform.settings.lane_confirmation_s,
            # What is accepted between two rings of the bell is found by who is awake.
            idle_s=2 * RING_INTERVAL_S,
        ),
        hear=listener.hear,
        wait=platform.waits.wait,
    )
    return Registration(LANES, [LaneWorkflow], [LaneActivities(runner).run])
