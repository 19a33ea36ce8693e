"""A lane whose operations do as a test says."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perdure.core.ids import new_id
from perdure.operations import reporting, store
from perdure.operations.acceptance import accept_many
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.work import LaneLimits, LaneProcess, Stretch
from perdure.operations.model import NewOperation, Operation, Status
from perdure.storage.pool import Pool, transaction

LIMITS = LaneLimits(at_once=4, stretch_s=30, operation_s=20)


@dataclass
class Lane:
    """A lane of its own kind, and what a script does with each of its operations.

    Args:
        scripts: By the operation's number in the lane; those without one succeed.
    """

    pool: Pool
    kind: str
    ids: list[str]
    scripts: dict[int, Callable[[], Any]]
    runs: Counter[str]
    launched: list[Operation]
    number: int = 0
    customer_id: str = "cus_test"

    async def add(self, operations: int) -> list[str]:
        return await self.add_as(*(new_id("tfr") for _ in range(operations)))

    async def add_as(self, *ids: str) -> list[str]:
        new = [
            NewOperation(
                found,
                self.kind,
                self.customer_id,
                {"operation_id": found, "request": 1},
                lane=self.number,
            )
            for found in ids
        ]
        self.ids += ids
        async with transaction(self.pool) as connection:
            await accept_many(connection, new, actor="test")
        return list(ids)

    async def process(self, operation_id: str, given: dict[str, Any]) -> None:
        assert given["operation_id"] == operation_id
        self.runs[operation_id] += 1
        script = self.scripts.get(self.ids.index(operation_id))
        if script is not None and (awaitable := script()) is not None:
            await awaitable
        await end(self.pool, operation_id)

    async def launch(self, operation: Operation) -> None:
        self.launched.append(operation)

    def runner(self, limits: LaneLimits = LIMITS, process: LaneProcess | None = None) -> LaneRunner:
        processes = {self.kind: process or self.process}
        return LaneRunner(self.pool, processes, self.launch, limits=limits)

    async def run(self, limits: LaneLimits = LIMITS, process: LaneProcess | None = None) -> Stretch:
        stretch = Stretch()
        async with asyncio.timeout(60):
            await self.runner(limits, process).run(self.kind, 0, stretch)
        assert stretch.under_way == set()
        return stretch

    async def statuses(self) -> list[Status]:
        return [(await store.get(self.pool, found)).status for found in self.ids]

    async def reasons(self) -> dict[int, str | None]:
        """Return why operations were promoted, by their numbers."""
        return {
            number: entry.reason
            for number, found in enumerate(self.ids)
            for entry in await reporting.trail(self.pool, found)
            if entry.action == "promoted"
        }


async def end(pool: Pool, operation_id: str) -> None:
    async with transaction(pool) as connection:
        operation = await store.lock(connection, operation_id)
        if not operation.is_finished:
            await store.move(connection, operation, Status.SUCCEEDED, action="settled")
