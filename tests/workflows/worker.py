"""Workers for a scripted world: the real workflows and interceptors, queues of their own."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker

from perdure.bootstrap import compose
from perdure.capability.assembly import pure_modules
from perdure.config import Settings
from perdure.core.errors import ProviderError, ProviderNotCalled
from perdure.durable.deployments import deployment_config
from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.provider_tries import ProviderTries
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.queues import FRAUD, NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.durable.sandbox import sandboxed_runner
from perdure.fraud.contracts import SCORER
from perdure.fraud.workflow import FraudCheckFirstTryWorkflow, FraudCheckWorkflow
from perdure.notifications.workflow import NotificationWorkflow
from perdure.operations.waiting import TRIES_MAX, ProviderWaits, StepAtProvider, Tries
from perdure.payments.contracts import GATEWAY
from perdure.payments.workflow import PaymentWorkflow
from perdure.refunds.workflow import RefundWorkflow
from perdure.renewals.workflow import RenewalWorkflow
from perdure.storage.pool import Pool
from perdure.trades.contracts import ASSETS, WALLETS
from perdure.trades.reversal_workflow import TradeReversalWorkflow
from perdure.trades.workflow import TradeWorkflow
from perdure.transfers.contracts import BANK
from perdure.transfers.workflow import TransferWorkflow

from .scripted import PaymentScenario, ScriptedWorld
from .scripted_refunds import RefundScenario, ScriptedRefunds
from .scripted_renewals import REGISTRY, RenewalScenario, ScriptedRegistry
from .scripted_steps import ScriptedKind, ScriptedSteps, StepsScenario
from .scripted_trades import ScriptedExchange, TradeScenario
from .scripted_transfers import ScriptedBank, TransferScenario

QUEUES = (OPERATIONS, FRAUD, NOTIFICATIONS, provider_queue(GATEWAY), provider_queue(SCORER))
TRANSFER_QUEUES = (OPERATIONS, NOTIFICATIONS, provider_queue(BANK))
TRADE_QUEUES = (OPERATIONS, NOTIFICATIONS, provider_queue(ASSETS), provider_queue(WALLETS))
RENEWAL_QUEUES = (OPERATIONS, NOTIFICATIONS, provider_queue(REGISTRY))


class World(Protocol):
    """What answers in place of the activities."""

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        """Return the activities of a queue."""
        ...


def own_queues(queues: Sequence[str] = QUEUES) -> QueueNames:
    """Return queues that nobody else polls."""
    suffix = uuid4().hex[:8]
    return QueueNames({queue: f"{queue}-{suffix}" for queue in queues})


@asynccontextmanager
async def scripted_payments(
    client: Client,
    pool: Pool,
    names: QueueNames | None = None,
    world: ScriptedWorld | None = None,
    payment: type = PaymentWorkflow,
    *,
    version: WorkerDeploymentVersion | None = None,
) -> AsyncIterator[PaymentScenario]:
    """Run workers for payments whose every answer from outside is scripted.

    Args:
        names: The queues; their own, unless a test shares them.
        world: The script; a new one, unless a test shares it.
        payment: The version of the payment's workflow that runs.
        version: The build of the workers.
    """
    names, world = names or own_queues(), world or ScriptedWorld()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [payment],
        FRAUD: [FraudCheckFirstTryWorkflow, FraudCheckWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
        provider_queue(GATEWAY): [],
        provider_queue(SCORER): [],
    }
    async with _workers(client, pool, names, world, workflows, version=version):
        yield PaymentScenario(client, names, world)


@asynccontextmanager
async def scripted_transfers(client: Client, pool: Pool) -> AsyncIterator[TransferScenario]:
    """Run workers for transfers whose every answer from outside is scripted."""
    names, world = own_queues(TRANSFER_QUEUES), ScriptedBank()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [TransferWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
        provider_queue(BANK): [],
    }
    async with _workers(client, pool, names, world, workflows):
        yield TransferScenario(client, names, world)


@asynccontextmanager
async def scripted_renewals(client: Client, pool: Pool) -> AsyncIterator[RenewalScenario]:
    """Run workers for renewals whose every answer from outside is scripted."""
    names, world = own_queues(RENEWAL_QUEUES), ScriptedRegistry()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [RenewalWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
        provider_queue(REGISTRY): [],
    }
    async with _workers(client, pool, names, world, workflows):
        yield RenewalScenario(client, names, world)


@asynccontextmanager
async def scripted_refunds(client: Client, pool: Pool) -> AsyncIterator[RefundScenario]:
    """Run workers for refunds of transfers whose every answer from outside is scripted."""
    names, world = own_queues(TRANSFER_QUEUES), ScriptedRefunds()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [RefundWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
        provider_queue(BANK): [],
    }
    async with _workers(client, pool, names, world, workflows):
        yield RefundScenario(client, names, world)


@asynccontextmanager
async def scripted_trades(client: Client, pool: Pool) -> AsyncIterator[TradeScenario]:
    """Run workers for trades whose every answer from outside is scripted."""
    names, world = own_queues(TRADE_QUEUES), ScriptedExchange()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [TradeWorkflow, TradeReversalWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
        provider_queue(ASSETS): [],
        provider_queue(WALLETS): [],
    }
    async with _workers(client, pool, names, world, workflows):
        yield TradeScenario(client, names, world)


@asynccontextmanager
async def scripted_steps(
    client: Client, pool: Pool, kind: ScriptedKind
) -> AsyncIterator[StepsScenario]:
    """Run workers for a kind whose every step is scripted."""
    queues = [*dict.fromkeys((OPERATIONS, NOTIFICATIONS, *kind.steps))]
    names, world = own_queues(queues), ScriptedSteps(dict(kind.answers), steps=kind.steps)
    workflows: dict[str, list[type]] = {queue: [] for queue in queues} | {
        OPERATIONS: [kind.workflow],
        NOTIFICATIONS: [NotificationWorkflow],
    }
    async with _workers(client, pool, names, world, workflows):
        yield StepsScenario(client, names, world, kind)


class _OthersGetThrough(ProviderWaits):
    """Has a step's tries be used up, as only it is not answered."""

    async def weigh(self, at: StepAtProvider, error: ProviderError, before: Tries) -> None:
        was_a_try = not isinstance(error, ProviderNotCalled)
        error.is_last = was_a_try and before.count + 1 >= TRIES_MAX


@asynccontextmanager
async def _workers(
    client: Client,
    pool: Pool,
    names: QueueNames,
    world: World,
    workflows: Mapping[str, list[type]],
    *,
    version: WorkerDeploymentVersion | None = None,
) -> AsyncIterator[None]:
    patience = compose(Settings(), pool, client).waits.patience
    interceptors: list[Interceptor] = [
        OperationSync(pool),
        Cancellation(),
        TaskQueues(names),
        ProviderTries(_OthersGetThrough(pool, patience), names),
    ]
    async with AsyncExitStack() as stack:
        for queue, found in workflows.items():
            await stack.enter_async_context(
                Worker(
                    client,
                    task_queue=names[queue],
                    workflows=found,
                    activities=world.activities_of(queue),
                    interceptors=interceptors,
                    workflow_runner=sandboxed_runner(pure_modules()),
                    deployment_config=deployment_config(version, queue),
                )
            )
        yield
