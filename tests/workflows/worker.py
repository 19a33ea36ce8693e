"""Workers for a scripted world: the real workflows and interceptors, queues of their own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from perdure.durable.interceptors.cancellation import Cancellation
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.interceptors.task_queues import TaskQueues
from perdure.durable.queues import FRAUD, NOTIFICATIONS, OPERATIONS, QueueNames, provider_queue
from perdure.durable.sandbox import sandboxed_runner
from perdure.fraud.contracts import SCORER
from perdure.fraud.workflow import FraudCheckWorkflow
from perdure.notifications.workflow import NotificationWorkflow
from perdure.payments.contracts import GATEWAY
from perdure.payments.workflow import PaymentWorkflow
from perdure.storage.pool import Pool

from .scripted import PaymentScenario, ScriptedWorld

QUEUES = (OPERATIONS, FRAUD, NOTIFICATIONS, provider_queue(GATEWAY), provider_queue(SCORER))


def own_queues() -> QueueNames:
    """Return queues that nobody else polls."""
    suffix = uuid4().hex[:8]
    return QueueNames({queue: f"{queue}-{suffix}" for queue in QUEUES})


@asynccontextmanager
async def scripted_payments(
    client: Client,
    pool: Pool,
    names: QueueNames | None = None,
    world: ScriptedWorld | None = None,
    payment: type = PaymentWorkflow,
) -> AsyncIterator[PaymentScenario]:
    """Run workers for payments whose every answer from outside is scripted.

    Args:
        names: The queues; their own, unless a test shares them.
        world: The script; a new one, unless a test shares it.
        payment: The version of the payment's workflow that runs.
    """
    names, world = names or own_queues(), world or ScriptedWorld()
    workflows: dict[str, list[type]] = {
        OPERATIONS: [payment],
        FRAUD: [FraudCheckWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
    }
    interceptors: list[Interceptor] = [OperationSync(pool), Cancellation(), TaskQueues(names)]
    async with AsyncExitStack() as stack:
        for queue in QUEUES:
            await stack.enter_async_context(
                Worker(
                    client,
                    task_queue=names[queue],
                    workflows=workflows.get(queue, []),
                    activities=world.activities_of(queue),
                    interceptors=interceptors,
                    workflow_runner=sandboxed_runner(),
                )
            )
        yield PaymentScenario(client, names, world)
