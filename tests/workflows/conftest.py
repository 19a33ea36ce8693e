"""A worker on the real server, with the outside world played by scripted activities."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

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


@pytest.fixture
async def scenario(temporal_client: Client, pool: Pool) -> AsyncIterator[PaymentScenario]:
    """Payments whose every answer from outside is scripted; each test has queues of its own."""
    suffix = uuid4().hex[:8]
    names = QueueNames({queue: f"{queue}-{suffix}" for queue in QUEUES})
    world = ScriptedWorld()
    interceptors = [OperationSync(pool), Cancellation(), TaskQueues(names)]
    workflows: dict[str, list[type]] = {
        OPERATIONS: [PaymentWorkflow],
        FRAUD: [FraudCheckWorkflow],
        NOTIFICATIONS: [NotificationWorkflow],
    }
    async with AsyncExitStack() as stack:
        for queue in QUEUES:
            await stack.enter_async_context(
                Worker(
                    temporal_client,
                    task_queue=names[queue],
                    workflows=workflows.get(queue, []),
                    activities=world.activities_of(queue),
                    interceptors=interceptors,
                    workflow_runner=sandboxed_runner(),
                )
            )
        yield PaymentScenario(temporal_client, names, world)
