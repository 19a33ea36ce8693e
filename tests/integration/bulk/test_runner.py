"""Bulks on a real database: each operation is acted on once, whatever happens to the runners."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import asyncpg
import pytest

from perdure.core.errors import Conflict, OperationParked
from perdure.operations.actions import OperatorActions
from perdure.operations.bulk.model import BulkQuery, ItemState
from perdure.operations.bulk.runner import BulkStretch
from perdure.operations.bulk.selection import select_items
from perdure.operations.model import By
from tests.polls import eventually

from .office import Office

BOB = By("bob", "changed my mind")
PAYMENTS = BulkQuery(kind="payment")
FAST: dict[str, Any] = {"rate_per_s": 10_000.0}


async def test_each_operation_is_acted_on_and_says_by_which_bulk_r8(office: Office) -> None:
    operations = await office.add(250)
    await office.add(1, status="succeeded", customer_id="cus_9")
    bulk_id = await office.create(selection=PAYMENTS, confirm_count=251, **FAST)
    await office.run(bulk_id)
    await office.runner().finish(bulk_id)
    progress = await office.bulks.progress_of(bulk_id)
    assert (progress.done, progress.refused, progress.codes) == (250, 1, {"not_parkable": 1})
    assert await office.acted_by(bulk_id) == [1] * 250
    trail = await office.operations.trail(operations[0])
    assert (trail[0].actor, trail[0].action, trail[0].reason) == ("ada", "parked", "because")
    assert trail[0].data == {"bulk_id": bulk_id}
    bulk = await office.bulks.get(bulk_id)
    assert bulk.operation.status == "succeeded"
    assert bulk.operation.result is not None
    assert (bulk.operation.result["items"], bulk.operation.result["done"]) == (251, 250)
    actions = [entry.action for entry in await office.operations.trail(bulk_id)]
    assert actions == ["accepted", "selected", "finished"]
    (refused,) = await office.bulks.items(bulk_id, state=ItemState.REFUSED)
    assert refused.message is not None
    assert "succeeded" in refused.message


async def test_runners_that_are_killed_leave_nothing_done_twice_or_without_record(
    office: Office,
) -> None:
    await office.add(400)
    bulk_id = await office.create(selection=PAYMENTS, confirm_count=400, **FAST)
    await select_items(office.pool, bulk_id)
    for least in (20, 80, 150):
        killed = asyncio.create_task(office.runner().run(bulk_id, BulkStretch()))

        async def far_enough(least: int = least) -> bool:
            return (await office.bulks.progress_of(bulk_id)).done >= least

        await eventually(far_enough)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        parked = await office.acted_by(bulk_id)
        assert set(parked) == {1}
        assert len(parked) == (await office.bulks.progress_of(bulk_id)).done
        assert len(parked) < 400
    await office.run(bulk_id)
    assert await office.acted_by(bulk_id) == [1] * 400
    assert (await office.bulks.progress_of(bulk_id)).done == 400


async def test_two_runners_of_one_bulk_act_once_on_each(office: Office) -> None:
    await office.add(300)
    bulk_id = await office.create(selection=PAYMENTS, confirm_count=300, **FAST)
    await select_items(office.pool, bulk_id)
    stretches = [BulkStretch(), BulkStretch()]
    await asyncio.gather(*(office.runner().run(bulk_id, stretch) for stretch in stretches))
    assert await office.acted_by(bulk_id) == [1] * 300
    progress = await office.bulks.progress_of(bulk_id)
    assert (progress.done, progress.refused) == (300, 0)
    assert all(stretch.is_last for stretch in stretches)


async def test_two_bulks_over_the_same_operations_take_turns(office: Office) -> None:
    operations = await office.add(200)
    bulks = [await office.create(selection=PAYMENTS, confirm_count=200, **FAST) for _ in range(2)]
    await asyncio.gather(*(office.run(bulk_id) for bulk_id in bulks))
    one, other = [await office.bulks.progress_of(bulk_id) for bulk_id in bulks]
    assert one.done + other.done == 200
    assert one.codes.get("already_parked", 0) + other.codes.get("already_parked", 0) == 200
    assert {await office.status(found) for found in operations} == {"needs_attention"}


async def test_a_paused_bulk_acts_on_nothing_more_until_it_is_resumed(office: Office) -> None:
    await office.add(300)
    bulk_id = await office.create(selection=PAYMENTS, confirm_count=300, **FAST)
    await select_items(office.pool, bulk_id)
    stretch = BulkStretch()
    running = asyncio.create_task(office.runner().run(bulk_id, stretch))

    async def some() -> bool:
        return (await office.bulks.progress_of(bulk_id)).done >= 30

    await eventually(some)
    assert (await office.bulks.pause(bulk_id, BOB)).operation.status == "needs_attention"
    done = (await office.bulks.progress_of(bulk_id)).done
    await running
    # No more than the few whose transactions were about to commit.
    assert done <= (await office.bulks.progress_of(bulk_id)).done <= done + 20
    assert not stretch.is_last
    assert len(await office.acted_by(bulk_id)) == (await office.bulks.progress_of(bulk_id)).done
    with pytest.raises(OperationParked):
        await office.runner().run(bulk_id, BulkStretch())
    with pytest.raises(Conflict) as again:
        await office.bulks.pause(bulk_id, BOB)
    assert again.value.code == "already_parked"
    await office.bulks.resume(bulk_id, BOB)
    await office.run(bulk_id)
    assert await office.acted_by(bulk_id) == [1] * 300


async def test_what_is_left_of_a_stopped_bulk_is_skipped(office: Office) -> None:
    await office.add(50)
    bulk_id = await office.create(selection=PAYMENTS, rate_per_s=1.0)
    await select_items(office.pool, bulk_id)
    await office.bulks.stop(bulk_id, BOB)
    for _ in range(2):
        found = await office.runner().finish(bulk_id)
        assert (found.done, found.skipped) == (0, 50)
    operation = await office.operations.get(bulk_id)
    assert (operation.status, operation.result and operation.result["skipped"]) == ("cancelled", 50)
    # Asking again changes nothing.
    assert (await office.bulks.stop(bulk_id, BOB)).operation.status == "cancelled"


async def test_the_rate_is_changed_while_it_runs(office: Office) -> None:
    await office.add(60)
    # At this rate it would take ten minutes, and the stretch would end before.
    bulk_id = await office.create(selection=PAYMENTS, rate_per_s=0.1)
    await select_items(office.pool, bulk_id)
    stretch = BulkStretch()
    running = asyncio.create_task(office.runner(watch_s=0.05).run(bulk_id, stretch))
    changed = await office.bulks.set_rate(bulk_id, 5_000.0, BOB)
    assert changed.rate_per_s == 5_000.0
    await running
    assert stretch.is_last
    assert (await office.bulks.progress_of(bulk_id)).done == 60
    last = (await office.operations.trail(bulk_id))[-1]
    assert (last.action, last.actor, last.data) == (
        "rate_changed",
        "bob",
        {"before": 0.1, "after": 5_000.0},
    )


async def test_a_database_that_is_away_is_no_outcome(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.add(30)
    bulk_id = await office.create(selection=PAYMENTS, **FAST)
    await select_items(office.pool, bulk_id)
    park, away = OperatorActions.park, [asyncpg.AdminShutdownError(), OSError(), TimeoutError()]

    async def away_at_times(self: OperatorActions, *given: Any, **more: Any) -> Any:
        if away:
            raise away.pop()
        return await park(self, *given, **more)

    monkeypatch.setattr(OperatorActions, "park", away_at_times)
    for _ in range(3):
        with pytest.raises((OSError, asyncpg.AdminShutdownError)):
            await office.runner(at_once=1).run(bulk_id, BulkStretch())
        assert (await office.bulks.progress_of(bulk_id)).pending == 30
    await office.run(bulk_id)
    assert (await office.bulks.progress_of(bulk_id)).done == 30


async def test_a_defect_in_one_is_recorded_and_the_others_are_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = await office.add(10)
    bulk_id = await office.create(selection=PAYMENTS, **FAST)
    park = OperatorActions.park

    def breaks_for_one(
        self: OperatorActions, found: str, *given: Any, **more: Any
    ) -> Awaitable[Any]:
        if found == operations[3]:
            raise ZeroDivisionError("a defect")
        return park(self, found, *given, **more)

    monkeypatch.setattr(OperatorActions, "park", breaks_for_one)
    await office.run(bulk_id)
    (failed,) = await office.bulks.items(bulk_id, state=ItemState.FAILED)
    assert (failed.operation_id, failed.code) == (operations[3], "internal_error")
    assert (await office.bulks.progress_of(bulk_id)).done == 9


async def test_undoing_acts_on_what_was_done_and_on_nothing_else_r8(office: Office) -> None:
    operations = await office.add(30)
    await office.operations.actions.park(operations[0], By("eve", "mine"))
    bulk_id = await office.create(selection=PAYMENTS, **FAST)
    async with office.operations.transaction() as connection:
        with pytest.raises(Conflict) as under_way:
            await office.bulks.undo(connection, bulk_id, BOB)
    assert under_way.value.code == "bulk_under_way"
    await office.run(bulk_id)
    await office.runner().finish(bulk_id)
    async with office.operations.transaction() as connection:
        undo = await office.bulks.undo(connection, bulk_id, BOB, rate_per_s=9_000.0)
    assert (undo.request.action, undo.undo_of, undo.counted) == ("release", bulk_id, 29)
    await office.run(undo.id)
    assert (await office.bulks.progress_of(undo.id)).done == 29
    statuses = [await office.status(found) for found in operations]
    assert statuses == ["needs_attention"] + ["processing"] * 29


async def test_what_nothing_undoes_is_not_undone(office: Office) -> None:
    await office.add(3)
    bulk_id = await office.create("cancel", selection=PAYMENTS, **FAST)
    await office.run(bulk_id)
    assert (await office.bulks.progress_of(bulk_id)).done == 3
    await office.runner().finish(bulk_id)
    async with office.operations.transaction() as connection:
        with pytest.raises(Conflict) as refused:
            await office.bulks.undo(connection, bulk_id, BOB)
    assert refused.value.code == "not_undoable"
    assert "relaunch it" in refused.value.message
