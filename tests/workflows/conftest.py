"""Payments and transfers on the real server, with the outside world scripted."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from perdure.storage.pool import Pool

from .scripted import PaymentScenario
from .scripted_transfers import TransferScenario
from .worker import scripted_payments, scripted_transfers


@pytest.fixture
async def scenario(temporal_client: Client, pool: Pool) -> AsyncIterator[PaymentScenario]:
    """Payments whose every answer from outside is scripted; each test has queues of its own."""
    async with scripted_payments(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture
async def transfers(temporal_client: Client, pool: Pool) -> AsyncIterator[TransferScenario]:
    """Transfers, likewise."""
    async with scripted_transfers(temporal_client, pool) as scenario:
        yield scenario
