"""Bulks on the real server: paused, stopped and killed; each operation is acted on once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from perdure.core.clock import utc_now
from perdure.durable.bulks import workflow as bulk_workflow
from perdure.durable.bulks.contracts import BulkEnd
from perdure.operations.bulk.model import BulkQuery, ItemState
from perdure.operations.model import By
from tests.polls import eventually

from .bulk_worker import Works, open_works

BOB = By("bob", "changed my mind")
PAYMENTS = BulkQuery(kind="payment")
FAST: dict[str, Any] = {"selection": PAYMENTS, "rate_per_s": 10_000.0}


@pytest.fixture
async def works(postgres_url: str, temporal_client: Client) -> AsyncIterator[Works]:
    async with open_works(postgres_url, temporal_client) as opened:
        yield opened


async def test_a_worker_killed_in_the_middle_has_each_acted_on_once_r8(works: Works) -> None:
    office = works.office
    await office.add(300)
    bulk_id = await office.create(selection=PAYMENTS, rate_per_s=100.0, confirm_count=300)
    process = works.lanes_process()
    await works.until_done(bulk_id, 40)
    process.kill()
    process.wait(60)
    done = (await office.bulks.progress_of(bulk_id)).done
    assert 40 <= done < 300
    # What the database says is true while nobody runs it, and for who asks it anew.
    assert len(await office.acted_by(bulk_id)) == done
    works.lanes_process()
    operation = await works.until(bulk_id, "succeeded", within_s=120)
    assert operation.result is not None
    assert (operation.result["done"], operation.result["pending"]) == (300, 0)
    assert await office.acted_by(bulk_id) == [1] * 300


async def test_a_bulk_is_paused_resumed_and_stopped_r8(works: Works) -> None:
    office = works.office
    await office.add(300)
    async with works.lanes_worker():
        bulk_id = await office.create(selection=PAYMENTS, rate_per_s=150.0, confirm_count=300)
        await works.until_done(bulk_id, 20)
        await office.bulks.pause(bulk_id, BOB)
        actions = [entry.action for entry in await office.operations.trail(bulk_id)]
        assert actions[:3] == ["accepted", "selected", "parked"]
        paused_at = (await office.bulks.progress_of(bulk_id)).done
        assert paused_at < 300
        await works.until_told(bulk_id, "parked", times=2)  # the workflow waits now
        await office.bulks.resume(bulk_id, BOB)
        done = await works.until_done(bulk_id, min(paused_at + 60, 280))
        await office.bulks.stop(bulk_id, BOB)
        operation = await works.until(bulk_id, "cancelled")
        handle = works.platform.client.get_workflow_handle(bulk_id, result_type=BulkEnd)
        end = await handle.result()
    assert (end.done + end.skipped, end.refused) == (300, 0)
    assert operation.result is not None
    assert done <= operation.result["done"] < 300
    assert operation.result["skipped"] == 300 - operation.result["done"]
    assert len(await office.acted_by(bulk_id)) == operation.result["done"]


async def test_a_bulk_is_paused_before_it_begins_and_stopped_while_paused(works: Works) -> None:
    office = works.office
    await office.add(10)
    bulk_id = await office.create(**FAST)
    await office.bulks.pause(bulk_id, BOB)
    async with works.lanes_worker():
        # Cancelling it as any operation stops it.
        await works.platform.operations.cancel(bulk_id, actor="bob", reason="no")
        operation = await works.until(bulk_id, "cancelled")
    assert operation.result is not None
    assert (operation.result["done"], operation.result["items"]) == (0, 0)
    assert await office.acted_by(bulk_id) == []


async def test_parking_many_is_undone_r8(works: Works) -> None:
    office = works.office
    await office.add(40)
    async with works.lanes_worker():
        bulk_id = await office.create(**FAST)
        await works.until(bulk_id, "succeeded")
        async with office.operations.transaction() as connection:
            undo = await office.bulks.undo(connection, bulk_id, BOB)
        await office.bulks.begin(undo)
        await works.until(undo.id, "succeeded")
    assert await office.acted_by(undo.id, "released") == [1] * 40
    assert [item.state for item in await office.bulks.items(undo.id, limit=50)] == [
        ItemState.DONE
    ] * 40


async def test_two_bulks_at_once_record_what_the_other_did(works: Works) -> None:
    office = works.office
    await office.add(80)
    async with works.lanes_worker():
        bulks = [await office.create(**FAST) for _ in range(2)]
        ends = [await works.until(bulk_id, "succeeded") for bulk_id in bulks]
    results = [end.result or {} for end in ends]
    assert sum(result["done"] for result in results) == 80
    assert sum(result["codes"].get("already_parked", 0) for result in results) == 80


async def test_a_long_bulk_continues_as_new(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_workflow, "_STRETCHES_MAX", 1)
    office = works.office
    await office.add(60)
    async with works.lanes_worker(stretch_s=0.4):
        bulk_id = await office.create(selection=PAYMENTS, rate_per_s=40.0)

        async def first_run() -> str:
            described = await works.platform.client.get_workflow_handle(bulk_id).describe()
            return described.raw_description.workflow_execution_info.first_run_id

        first_run_id = await eventually(first_run)
        await works.until(bulk_id, "succeeded")
    first = works.platform.client.get_workflow_handle(bulk_id, run_id=first_run_id)
    last = (await first.fetch_history()).events[-1]
    assert last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert await office.acted_by(bulk_id) == [1] * 60


async def test_a_bulk_whose_workflow_was_ended_by_hand_goes_on(works: Works) -> None:
    office = works.office
    # Of tomorrow, so that the janitor finds nothing that has stood still but the bulk.
    await office.add(60, updated_at=utc_now() + timedelta(days=1))
    bulk_id = await office.create(selection=PAYMENTS, rate_per_s=40.0)
    async with works.lanes_worker():
        await works.until_done(bulk_id, 5)
        await works.platform.client.get_workflow_handle(bulk_id).terminate("by hand")

        async def is_found() -> bool:
            await works.janitor.look()
            return await office.status(bulk_id) == "needs_attention"

        await eventually(is_found, pause_s=0.1)
        await office.bulks.resume(bulk_id, BOB)
        await works.until(bulk_id, "succeeded")
    assert await office.acted_by(bulk_id) == [1] * 60
