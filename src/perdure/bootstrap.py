"""The composition root: the one place where settings become objects and objects meet."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from perdure.config import Settings
from perdure.durable.client import connect
from perdure.durable.engine import TemporalEngine
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.lanes.activities import LaneActivities
from perdure.durable.lanes.workflow import LaneWorkflow
from perdure.durable.operation_activities import OperationActivities
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.registration import Registration
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications import registration as notifications
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import Channel
from perdure.notifications.redelivery import NotificationRedelivery
from perdure.operations.first_tries import FirstTries
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.kinds import OperationKinds
from perdure.operations.lane_runner import LaneLimits, LaneProcess, LaneRunner
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.service import OperationService
from perdure.operations.steps import TransactionalSteps
from perdure.payments import registration as payments
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.lane import PaymentLane
from perdure.payments.registration import PAYMENTS
from perdure.payments.reporting import PaymentReporting
from perdure.payments.rules import PaymentLimits
from perdure.providers.bank import HttpPayoutBank
from perdure.providers.fraud_scorer import HttpFraudScorer
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.http_client import open_http_client
from perdure.providers.mail import SmtpMailSender
from perdure.providers.sms import HttpSmsSender
from perdure.storage.pool import Pool, open_pool
from perdure.transfers import registration as transfers
from perdure.transfers.acceptance import TransferAcceptance
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.at_once import TransferAtOnceActivities
from perdure.transfers.lane import TransferLane
from perdure.transfers.registration import TRANSFERS
from perdure.transfers.rules import TransferLimits

KINDS = OperationKinds([PAYMENTS, TRANSFERS])
KINDS_WITH_LANES: Final = frozenset({PAYMENTS.name, TRANSFERS.name})


@dataclass(frozen=True, slots=True)
class Platform:
    """What every process of Perdure has: the API, the CLI and the workers."""

    settings: Settings
    pool: Pool
    client: Client
    queues: QueueNames
    engine: TemporalEngine
    ledger: PostgresLedger
    operations: OperationService
    payments: PaymentAcceptance
    transfers: TransferAcceptance
    payment_reporting: PaymentReporting
    gateway_callbacks: GatewayCallbacks


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
        ConfigurationError: A setting is wrong or missing, or Temporal cannot be reached.
    """
    client = await connect(runtime=runtime, lazy=lazy)
    async with open_pool(
        settings.require_database_url(),
        size=settings.database_pool_size,
        application_name=application_name,
    ) as pool:
        yield compose(settings, pool, client)


def compose(settings: Settings, pool: Pool, client: Client) -> Platform:
    """Put the platform together on an open pool and a client."""
    queues = QueueNames(settings.queues)
    engine = TemporalEngine(client, KINDS, queues)
    ledger = PostgresLedger()
    limits = PaymentLimits(settings.payment_amount_minor_max, settings.payment_daily_limit_minor)
    return Platform(
        settings=settings,
        pool=pool,
        client=client,
        queues=queues,
        engine=engine,
        ledger=ledger,
        operations=OperationService(pool, engine),
        payments=PaymentAcceptance(
            ledger, limits, callback_timeout_s=settings.payment_callback_timeout_s
        ),
        transfers=TransferAcceptance(ledger, TransferLimits(settings.transfer_amount_minor_max)),
        payment_reporting=PaymentReporting(client),
        gateway_callbacks=GatewayCallbacks(pool, engine),
    )


def janitor(platform: Platform) -> Janitor:
    """Return the janitor of an operations worker."""
    settings = platform.settings
    redelivery = NotificationRedelivery(platform.pool, platform.client, platform.queues)
    return Janitor(
        platform.pool,
        platform.engine,
        chores=[platform.gateway_callbacks.redeliver, redelivery.redeliver],
        times=JanitorTimes(
            interval_s=settings.janitor_interval_s, stale_after_s=settings.janitor_stale_after_s
        ),
    )


def interceptors(platform: Platform) -> list[Interceptor]:
    """Return what wraps every workflow and activity, the outermost first."""
    return [OperationSync(platform.pool), Cancellation(), TaskQueues(platform.queues)]


@asynccontextmanager
async def open_registrations(platform: Platform) -> AsyncIterator[list[Registration]]:
    """Open the providers' clients, and give every queue its work."""
    settings, pool = platform.settings, platform.pool
    async with AsyncExitStack() as stack:

        async def http(base_url: str, timeout_s: float) -> aiohttp.ClientSession:
            connections_max = settings.max_concurrent_activities
            client = open_http_client(
                base_url, timeout_s=timeout_s, connections_max=connections_max
            )
            return await stack.enter_async_context(client)

        steps, calls = TransactionalSteps(pool), ProviderCalls(pool)
        gateway = HttpPaymentGateway(await http(settings.gateway_url, settings.gateway_timeout_s))
        scorer = HttpFraudScorer(await http(settings.fraud_scorer_url, settings.provider_timeout_s))
        sms = HttpSmsSender(await http(settings.sms_url, settings.provider_timeout_s))
        mail = SmtpMailSender(
            settings.mail_host,
            settings.mail_port,
            timeout_s=settings.provider_timeout_s,
            inquiry=await http(settings.mail_inquiry_url, settings.provider_timeout_s)
            if settings.mail_inquiry_url
            else None,
        )
        bank = HttpPayoutBank(await http(settings.bank_url, settings.bank_timeout_s))
        messages = NotificationActivities(
            pool,
            calls,
            mail,
            sms,
            first_tries={channel: _first_tries(settings) for channel in Channel},
            sender=settings.mail_sender,
            timeout_s=settings.provider_timeout_s,
        )
        payment_steps = _payment_steps(platform, calls, steps, gateway)
        bank_tries = _first_tries(settings)
        transfer_steps = (
            TransferLedgerActivities(pool, steps, platform.ledger),
            TransferBankActivities(
                calls, steps, bank, first_tries=bank_tries, timeout_s=settings.bank_timeout_s
            ),
        )
        transfers_at_once = TransferAtOnceActivities(
            *transfer_steps, messages.deliver_now, bank_tries
        )
        checks = FraudActivities(pool, scorer)
        processes = {
            PAYMENTS.name: PaymentLane(
                *payment_steps,
                checks.score,
                platform.gateway_callbacks,
                messages.deliver_now,
                confirmation_s=settings.lane_confirmation_s,
            ).run,
            TRANSFERS.name: TransferLane(*transfer_steps, messages.deliver_now).run,
        }
        operations = OperationActivities(pool)
        yield [
            Registration(OPERATIONS, activities=[operations.request_cancel, operations.park]),
            *payments.registrations(*payment_steps),
            *transfers.registrations(*transfer_steps, transfers_at_once),
            *fraud.registrations(checks),
            *notifications.registrations(messages),
            _lanes(platform, processes),
        ]


def _payment_steps(
    platform: Platform,
    calls: ProviderCalls,
    steps: TransactionalSteps,
    gateway: HttpPaymentGateway,
) -> tuple[PaymentLedgerActivities, PaymentGatewayActivities]:
    return (
        PaymentLedgerActivities(platform.pool, steps, platform.ledger),
        PaymentGatewayActivities(
            calls,
            steps,
            gateway,
            platform.gateway_callbacks,
            callback_url=platform.settings.gateway_callback_url,
            timeout_s=platform.settings.gateway_timeout_s,
        ),
    )


def _first_tries(settings: Settings) -> FirstTries:
    return FirstTries(at_once_max=settings.first_tries_at_once)


def _lanes(platform: Platform, processes: Mapping[str, LaneProcess]) -> Registration:
    assert processes.keys() == KINDS_WITH_LANES
    runner = LaneRunner(
        platform.pool,
        processes,
        platform.operations.launch,
        limits=LaneLimits(
            at_once=platform.settings.lane_operations_at_once,
            # What waits aside for its confirmation is not taken for one that hangs.
            operation_s=60 + platform.settings.lane_confirmation_s,
        ),
    )
    return Registration(LANES, [LaneWorkflow], [LaneActivities(runner).run])
