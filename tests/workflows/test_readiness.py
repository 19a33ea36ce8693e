"""Whether workers are there is Temporal's word."""

from temporalio.client import Client

from perdure.durable.queues import OPERATIONS
from perdure.worker.readiness import wait_for_workers

from .scripted import PaymentScenario


async def test_queues_that_are_polled_are_ready(scenario: PaymentScenario) -> None:
    queues = [scenario.queues[OPERATIONS], scenario.queues["provider-gateway"]]
    assert await wait_for_workers(scenario.client, queues, timeout_s=20) == []


async def test_a_queue_that_nobody_polls_is_named(temporal_client: Client) -> None:
    queues = ["nobody-polls-this-either"]
    assert await wait_for_workers(temporal_client, queues, timeout_s=0.3) == queues
