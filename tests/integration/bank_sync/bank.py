"""An aggregator whose items a test links and changes, and what a sync of one leaves behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from perdure.bank_sync.verify import INVARIANTS
from perdure.operations.verify import check
from perdure.simulators.aggregator import AggregatorSettings, open_aggregator
from perdure.storage.pool import Pool

MASTER_KEY = "tests:c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyYiE="


@dataclass
class Aggregator:
    """A simulated aggregator under control."""

    url: str
    control: httpx.AsyncClient

    async def make_item(self, **fields: Any) -> dict[str, Any]:
        """Have a customer link; returns the item, with its tokens."""
        made = await self.control.post("/control/items", json={"until": "2026-06-30", **fields})
        made.raise_for_status()
        return dict(made.json())

    async def manner(self, item: dict[str, Any], **manner: Any) -> None:
        """Have an item misbehave."""
        answer = await self.control.put(f"/control/items/{item['item_id']}", json=manner)
        answer.raise_for_status()

    async def changes(
        self, item: dict[str, Any], *changes: dict[str, Any], webhook: bool = False
    ) -> None:
        """Have something happen on an item's accounts."""
        body = {"changes": changes, "webhook": webhook}
        path = f"/control/items/{item['item_id']}/changes"
        (await self.control.post(path, json=body)).raise_for_status()

    async def standing(self, item: dict[str, Any]) -> dict[str, tuple[int, bool]]:
        """Return what there is: amount and whether it is pending, by the transaction's id."""
        answer = await self.control.get(f"/control/items/{item['item_id']}/transactions")
        return {
            one["transaction_id"]: (int(Decimal(str(one["amount"])) * 100), one["pending"])
            for one in answer.json()
        }


@asynccontextmanager
async def running_aggregator(folder: Path, **settings: Any) -> AsyncIterator[Aggregator]:
    """Run an aggregator without limits."""
    given = {"item_per_minute": 0, "client_per_minute": 0, **settings}
    async with (
        open_aggregator(AggregatorSettings(folder, port=0, **given)) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False
        ) as control,
    ):
        yield Aggregator(f"http://127.0.0.1:{port}", control)


async def rows(pool: Pool, item_id: str) -> dict[str, tuple[int, bool]]:
    """Return an item's transactions as they are kept: amount and whether pending, by id."""
    found = await pool.fetch(
        "SELECT id, amount_minor, pending FROM bank_transactions WHERE item_id = $1", item_id
    )
    return {row["id"]: (row["amount_minor"], row["pending"]) for row in found}


async def left_behind(pool: Pool) -> list[Any]:
    """Return what breaks an invariant of bank syncs; that what was read goes with them is one."""
    async with pool.acquire() as connection:
        return list(await check(connection, INVARIANTS, limit=10))
