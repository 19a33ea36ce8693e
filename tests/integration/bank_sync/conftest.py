"""One house for the tests of this folder, with its aggregator."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.client import Client

from perdure.operations.model import Operation
from perdure.storage.pool import Pool
from perdure.testing.house import House, open_house

from .bank import MASTER_KEY, Aggregator, running_aggregator
from .scripted import Syncs, open_syncs


@dataclass
class World:
    """The whole platform, and the aggregator that it reads from."""

    house: House
    aggregator: Aggregator

    async def linked(
        self, customer_id: str, **fields: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Have a customer link, by the API; returns the aggregator's item, and ours."""
        hook = self.house.api.base_url.join("/v1/callbacks/aggregator")
        item = await self.aggregator.make_item(webhook=str(hook), **fields)
        return item, await self.link(customer_id, item)

    async def link(self, customer_id: str, item: dict[str, Any]) -> dict[str, Any]:
        body = {"customer_id": customer_id, "public_token": item["public_token"]}
        answer = await self.house.api.post("/v1/bank-items", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def item(self, item_id: str) -> dict[str, Any]:
        return dict((await self.house.api.get(f"/v1/bank-items/{item_id}")).json())

    async def sync(self, ours: dict[str, Any]) -> Operation:
        """Sync an item, and wait for the end."""
        body = {"customer_id": ours["customer_id"], "item_id": ours["id"]}
        answer = await self.house.api.post("/v1/bank-syncs", json=body)
        assert answer.status_code == 201, answer.text
        return await self.house.end_of(answer.json()["id"])


@pytest.fixture(scope="package")
async def world(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("bank")
    async with (
        running_aggregator(folder / "aggregator") as aggregator,
        open_house(
            postgres_url,
            temporal_client,
            folder,
            aggregator_url=aggregator.url,
            payload_keys=[MASTER_KEY],
            bank_sync_page=20,
        ) as house,
    ):
        yield World(house, aggregator)


@pytest.fixture(scope="package")
async def syncs(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Syncs]:
    """What carries syncs out, step by step, with an aggregator of its own."""
    folder = tmp_path_factory.mktemp("aggregator")
    async with running_aggregator(folder) as aggregator, open_syncs(pool, aggregator) as opened:
        yield opened
