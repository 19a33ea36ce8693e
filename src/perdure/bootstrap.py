"""The composition root: the one place where settings become objects and objects meet."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from perdure.config import Settings
from perdure.durable.client import connect
from perdure.durable.engine import TemporalEngine
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.operation_activities import OperationActivities
from perdure.durable.queues import OPERATIONS, QueueNames
from perdure.durable.registration import Registration
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications import registration as notifications
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.redelivery import NotificationRedelivery
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.kinds import OperationKinds
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.service import OperationService
from perdure.operations.steps import TransactionalSteps
from perdure.payments import registration as payments
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.registration import PAYMENTS
from perdure.payments.reporting import PaymentReporting
from perdure.payments.rules import PaymentLimits
from perdure.providers.fraud_scorer import HttpFraudScorer
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.mail import SmtpMailSender
from perdure.providers.sms import HttpSmsSender
from perdure.storage.pool import Pool, open_pool

KINDS = OperationKinds([PAYMENTS])


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

        async def http(base_url: str, timeout_s: float) -> httpx.AsyncClient:
            limits = httpx.Limits(max_connections=settings.max_concurrent_activities)
            client = httpx.AsyncClient(base_url=base_url, timeout=timeout_s, limits=limits)
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
        operations = OperationActivities(pool)
        yield [
            Registration(OPERATIONS, activities=[operations.request_cancel, operations.park]),
            *payments.registrations(
                PaymentLedgerActivities(steps, platform.ledger),
                PaymentGatewayActivities(
                    calls,
                    steps,
                    gateway,
                    platform.gateway_callbacks,
                    callback_url=settings.gateway_callback_url,
                    timeout_s=settings.gateway_timeout_s,
                ),
            ),
            *fraud.registrations(FraudActivities(scorer)),
            *notifications.registrations(
                NotificationActivities(
                    pool,
                    calls,
                    mail,
                    sms,
                    sender=settings.mail_sender,
                    timeout_s=settings.provider_timeout_s,
                )
            ),
        ]
