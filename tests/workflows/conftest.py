"""What runs on the real server, with the outside world scripted, or simulated."""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client

from perdure.storage.pool import Pool
from tests.integration.payments.town import Town, open_town
from tests.pauses import short_pauses

from .scripted import PaymentScenario
from .scripted_refunds import RefundScenario
from .scripted_renewals import RenewalScenario
from .scripted_trades import TradeScenario
from .scripted_transfers import TransferScenario
from .worker import (
    scripted_payments,
    scripted_refunds,
    scripted_renewals,
    scripted_trades,
    scripted_transfers,
)


@pytest.fixture(scope="package", autouse=True)
def _short_pauses() -> Iterator[None]:
    with short_pauses():
        yield


@pytest.fixture
async def scenario(temporal_client: Client, pool: Pool) -> AsyncIterator[PaymentScenario]:
    """Payments whose every answer from outside is scripted; each test has queues of its own."""
    async with scripted_payments(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture
async def refunds(temporal_client: Client, pool: Pool) -> AsyncIterator[RefundScenario]:
    """Refunds, likewise."""
    async with scripted_refunds(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture
async def renewals(temporal_client: Client, pool: Pool) -> AsyncIterator[RenewalScenario]:
    """Renewals, likewise."""
    async with scripted_renewals(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture
async def transfers(temporal_client: Client, pool: Pool) -> AsyncIterator[TransferScenario]:
    """Transfers, likewise."""
    async with scripted_transfers(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture
async def trades(temporal_client: Client, pool: Pool) -> AsyncIterator[TradeScenario]:
    """Trades, likewise."""
    async with scripted_trades(temporal_client, pool) as scenario:
        yield scenario


@pytest.fixture(scope="package")
async def town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """The whole platform on real servers; its janitor is quick to look."""
    async with open_town(
        postgres_url,
        temporal_client,
        tmp_path_factory.mktemp("town"),
        payment_callback_timeout_s=6,
        janitor_interval_s=0.2,
        janitor_stale_after_s=1,
    ) as opened:
        yield opened
