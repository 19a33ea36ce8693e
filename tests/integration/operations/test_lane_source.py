"""A lane finds what is accepted while it runs, in whatever order it is committed, each once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from perdure.core.ids import earlier_id, new_id
from perdure.operations.lanes import source
from perdure.operations.lanes.work import LaneLimits, Stretch
from perdure.operations.model import Status
from perdure.storage.pool import Pool
from tests.polls import eventually

from .scripted_lane import LIMITS, Lane

NUMBERS = count()
AWAKE = replace(LIMITS, idle_s=20)


@pytest.fixture
async def lane(pool: Pool) -> Lane:
    return Lane(pool, f"lane_source_{next(NUMBERS)}", [], {}, Counter(), [])


@asynccontextmanager
async def running(lane: Lane, limits: LaneLimits = AWAKE) -> AsyncIterator[Stretch]:
    """A stretch that runs while the test adds to the lane, and is ended then."""
    stretch = Stretch()
    task = asyncio.create_task(lane.runner(limits).run(lane.kind, 0, stretch))
    try:
        yield stretch
    finally:
        stretch.over.set()
        async with asyncio.timeout(60):
            await task


async def until_done(stretch: Stretch, operations: int) -> None:
    await eventually(lambda: stretch.done >= operations, pause_s=0.01, why_not=lambda: stretch)


async def test_an_idle_lane_finds_what_is_added_without_being_told(lane: Lane) -> None:
    async with running(lane) as stretch:
        for done in range(1, 6):
            await lane.add(1)
            await until_done(stretch, done)
        await lane.add(7)
        await until_done(stretch, 12)
    assert set(lane.runs.values()) == {1}
    assert stretch.is_empty


async def test_an_idle_lane_ends_at_once_when_its_stretch_is_over(lane: Lane) -> None:
    async with running(lane) as stretch:
        await lane.add(1)
        await until_done(stretch, 1)
        began = asyncio.get_running_loop().time()
    # Far less than it would have been idle.
    assert asyncio.get_running_loop().time() - began < 10
    assert stretch.is_empty


async def test_a_lane_in_which_nothing_is_left_ends_by_itself(lane: Lane) -> None:
    await lane.add(3)
    stretch = await lane.run(replace(LIMITS, idle_s=0.3))
    assert (stretch.done, stretch.is_empty) == (3, True)


async def test_what_is_added_beside_a_slow_one_does_not_wait_for_it(lane: Lane) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await goes_on.wait()

    await lane.add(1)
    lane.scripts = {0: slow}
    async with running(lane, replace(LIMITS, idle_s=0)) as stretch:
        await begun.wait()
        await lane.add(9)
        await until_done(stretch, 9)
        assert stretch.under_way == {lane.ids[0]}
        goes_on.set()
        await until_done(stretch, 10)


async def test_what_is_committed_after_a_later_id_is_found(lane: Lane) -> None:
    early = new_id("tfr")
    async with running(lane) as stretch:
        await lane.add(2 * LIMITS.at_once)
        await until_done(stretch, 2 * LIMITS.at_once)
        assert early < min(lane.ids)
        await lane.add_as(early)
        await until_done(stretch, 2 * LIMITS.at_once + 1)
    assert lane.runs[early] == 1


async def test_what_is_committed_long_after_a_later_id_is_found_in_the_same_stretch(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_FROM_START_EVERY_S", 0.5)
    async with running(lane) as stretch:
        [first] = await lane.add(1)
        await until_done(stretch, 1)
        await lane.add_as(earlier_id(first, timedelta(minutes=5)))
        await until_done(stretch, 2)


@pytest.mark.parametrize("at_once", [1, 3, 50])
async def test_a_stream_is_carried_out_once_each_whoever_is_free(lane: Lane, at_once: int) -> None:
    async with running(lane, replace(AWAKE, at_once=at_once)) as stretch:
        for number in range(40):
            added = await lane.add(1 + number % 4)
            lane.scripts |= {
                lane.ids.index(found): lambda: asyncio.sleep(0.02) for found in added[:1]
            }
        await until_done(stretch, len(lane.ids))
    assert len(lane.runs) == len(lane.ids) == 100
    assert set(lane.runs.values()) == {1}
    assert set(await lane.statuses()) == {Status.SUCCEEDED}
