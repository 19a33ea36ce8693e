"""What a workflow is given is read as it was written, in the sandbox too."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Literal
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.durable.sandbox import sandboxed_runner


class Size(StrEnum):
    SMALL = "small"


@dataclass(frozen=True)
class Stay:
    """A request with a field of each type that is not JSON's own."""

    first_on: date
    days: tuple[date, ...]
    at: datetime
    size: Size
    kind: Literal["room"]
    last_on: date | None = None
    paid_at: datetime | None = None


@workflow.defn
class Extended:
    @workflow.run
    async def run(self, stay: Stay) -> Stay:
        assert stay.last_on is not None
        return replace(stay, days=(stay.first_on, stay.last_on, *stay.days))


async def test_days_and_moments_are_read_as_they_were_written(temporal_client: Client) -> None:
    day, at = date(2028, 2, 29), datetime(2028, 2, 29, 12, tzinfo=UTC)
    given = Stay(day, (day,), at, Size.SMALL, "room", last_on=day, paid_at=at)
    queue = f"days-{uuid4().hex[:8]}"
    # Of a module that does not pass through: there the sandbox has stand-ins for both types.
    async with Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Extended],
        workflow_runner=sandboxed_runner(),
    ):
        found = await temporal_client.execute_workflow(
            Extended.run, given, id=queue, task_queue=queue
        )
    assert found == replace(given, days=(day, day, day))
