"""Operations by the thousand, as rows without workflows, for bulks to act on."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from perdure.operations.bulk.model import BulkQuery, NewBulk
from perdure.operations.bulk.runner import BulkLimits, BulkRunner, BulkStretch
from perdure.operations.bulk.selection import select_items
from perdure.operations.bulk.service import BulkService
from perdure.operations.service import OperationService
from perdure.storage.pool import Pool

REQUEST = {
    "customer_id": "cus_1",
    "account_id": "acc_1",
    "amount_minor": 1_000,
    "currency": "USD",
    "payment_method": "tok_ok",
}


@dataclass(frozen=True)
class Office:
    """What bulks work on."""

    pool: Pool
    operations: OperationService
    bulks: BulkService

    async def add(self, count: int, *, kind: str = "payment", **columns: Any) -> list[str]:
        """Store operations; returns their ids, the oldest first."""
        values = {
            "status": "processing",
            "customer_id": "cus_1",
            "input": {"operation_id": "pay_1", "request": REQUEST},
            "failure": None,
            "metadata": {},
        } | columns
        names = list(values)
        base = uuid4().hex[:12]
        rows = await self.pool.fetch(
            "INSERT INTO operations (id, kind, workflow_started_at, finished_at, "
            + ", ".join(names)
            + ") SELECT 'pay_' || $1::text || lpad(to_hex(n), 14, '0'), $2, now(),"
            " CASE WHEN $4 IN ('failed', 'succeeded', 'cancelled') THEN now() END, "
            + ", ".join(f"${number}" for number in range(4, 4 + len(names)))
            + " FROM generate_series(1, $3::integer) AS n RETURNING id",
            base,
            kind,
            count,
            *values.values(),
            timeout=120,
        )
        return sorted(row["id"] for row in rows)

    async def create(self, action: str = "park", **more: Any) -> str:
        """Accept a bulk; returns its id. Nobody carries it out."""
        new = NewBulk(action, "because", more.pop("selection", None) or BulkQuery(), **more)
        return (await self.bulks.create(new, actor="ada")).id

    def runner(self, **limits: Any) -> BulkRunner:
        return BulkRunner(
            self.pool, self.operations.actions, lambda _: None, limits=BulkLimits(**limits)
        )

    async def run(self, bulk_id: str, **limits: Any) -> None:
        """Select, and act until nothing is left; the bulk is not ended."""
        await select_items(self.pool, bulk_id)
        while True:
            stretch = BulkStretch()
            await self.runner(**limits).run(bulk_id, stretch)
            if stretch.is_last:
                return

    async def status(self, operation_id: str) -> str:
        return (await self.operations.get(operation_id)).status

    async def acted_by(self, bulk_id: str, action: str = "parked") -> list[int]:
        """Return how often each operation's trail says that the bulk did this to it."""
        rows = await self.pool.fetch(
            "SELECT count(*) FROM operation_trail WHERE action = $2"
            " AND data->>'bulk_id' = $1 GROUP BY operation_id",
            bulk_id,
            action,
        )
        return [row["count"] for row in rows]
