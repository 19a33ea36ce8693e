"""Payments on the real server, with the outside world scripted."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from perdure.storage.pool import Pool

from .scripted import PaymentScenario
from .worker import scripted_payments


@pytest.fixture
async def scenario(temporal_client: Client, pool: Pool) -> AsyncIterator[PaymentScenario]:
    """Payments whose every answer from outside is scripted; each test has queues of its own."""
    async with scripted_payments(temporal_client, pool) as scenario:
        yield scenario
