"""What somebody waits for is carried out by the workers that are there, and by another at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from perdure.core.clock import utc_now
from perdure.core.errors import ProviderRateLimited, ProviderUnavailable
from perdure.core.gears import Gear
from perdure.core.ids import new_id
from perdure.core.turns import take_turn
from perdure.limits.permits import Permits
from perdure.operations import reporting, store
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.lanes import interactive, ownership
from perdure.operations.lanes import source as lane_source
from perdure.operations.lanes.calls import LaneCalls, LaneListener
from perdure.operations.lanes.interactive import InteractiveLane, interactive_limits
from perdure.operations.lanes.ownership import RowClaims
from perdure.operations.lanes.permits import lane_permits
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.steps import provider_lane_step
from perdure.operations.lanes.store import (
    ELSEWHERE,
    INTERACTIVE_LANES,
    gear_of,
    interactive_lane,
    interactive_lanes,
)
from perdure.operations.lanes.work import LaneProcess
from perdure.operations.lanes.workers import interactive_workers
from perdure.operations.model import Status
from perdure.storage.pool import Pool
from tests.integration.cli.conftest import RecordingEngine
from tests.polls import eventually

from .scripted_lane import Lane, end


@pytest.fixture
def lane(pool: Pool) -> Lane:
    return Lane(pool, new_id("lane"), [], {}, Counter(), [], interactive_lane(0))


@asynccontextmanager
async def worker(
    lane: Lane,
    database_url: str,
    process: LaneProcess | None = None,
    takes_part: Callable[[], bool] = lambda: True,
) -> AsyncIterator["Worker"]:
    """A worker with an interactive lane, until it is told to stop."""
    processes = {lane.kind: process or lane.process}
    async with LaneListener(database_url) as listener:
        runner = LaneRunner(lane.pool, processes, lane.launch, limits=interactive_limits(20))
        one = InteractiveLane(lane.pool, runner, listener, Flood(), takes_part=takes_part)
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        try:
            yield Worker(one, listener, stop, running)
        finally:
            stop.set()
            if not running.done():
                async with asyncio.timeout(60):
                    await running


class Flood:
    """What is one of many of one customer goes to lane 3 of its kind, which nobody runs here."""

    def lane_of(self, kind: str, given: Mapping[str, Any]) -> int:
        return 3

    async def call(self, kind: str, number: int) -> None: ...


class Worker:
    def __init__(
        self,
        lane: InteractiveLane,
        listener: LaneListener,
        stop: asyncio.Event,
        running: "asyncio.Task[None]",
    ) -> None:
        self.lane, self.listener, self.stop, self.running = lane, listener, stop, running

    async def has(self, *, lanes: int) -> None:
        await eventually(lambda: len(self.lane.mine) == lanes, pause_s=0.02)

    async def dies(self, pool: Pool) -> None:
        """End all that it does, and its session, as the end of its process would."""
        self.running.cancel()
        await asyncio.wait([self.running])
        assert self.listener.session is not None
        await pool.execute(
            "SELECT pg_terminate_backend($1)", self.listener.session.get_server_pid()
        )


async def until_ended(lane: Lane) -> None:
    async def has_ended() -> bool:
        return all(status == Status.SUCCEEDED for status in await lane.statuses())

    await eventually(has_ended, pause_s=0.02)


async def test_a_worker_carries_out_what_is_in_any_interactive_lane(
    lane: Lane, database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks by himself here: only the calls are left."""
    monkeypatch.setattr(lane_source, "_LOOK_AGAIN_S", 3600)
    async with worker(lane, database_url) as one:
        await one.has(lanes=INTERACTIVE_LANES)
        for number in interactive_lanes():
            lane.number, lane.customer_id = number, f"cus_{number}"
            await lane.add(3)
            await LaneCalls(pool).call(Gear.INTERACTIVE, number)
        await until_ended(lane)
    assert set(lane.runs.values()) == {1}
    # What other tests left in these lanes of theirs is promoted.
    assert [one for one in lane.launched if one.id in lane.ids] == []


async def test_workers_share_the_lanes_and_one_that_stops_hands_its_own_over(
    lane: Lane, database_url: str, pool: Pool
) -> None:
    async with worker(lane, database_url) as first:
        await first.has(lanes=INTERACTIVE_LANES)
        async with worker(lane, database_url) as second:
            await second.has(lanes=INTERACTIVE_LANES // 2)
            await first.has(lanes=INTERACTIVE_LANES // 2)
            assert not first.lane.mine & second.lane.mine

            async def both_tell_which() -> bool:
                told = [{*one.lanes} for one in await interactive_workers(pool)]
                return first.lane.mine in told and second.lane.mine in told

            await eventually(both_tell_which, pause_s=0.05)
            for number in interactive_lanes():
                lane.number, lane.customer_id = number, f"cus_{number}"
                await lane.add(2)
            await until_ended(lane)
            assert set(lane.runs.values()) == {1}
        await first.has(lanes=INTERACTIVE_LANES)


async def test_a_worker_of_a_build_that_is_given_no_work_leaves_the_lanes_to_the_others(
    lane: Lane, database_url: str
) -> None:
    given = {"old"}
    async with (
        worker(lane, database_url, takes_part=lambda: "old" in given) as old,
        worker(lane, database_url, takes_part=lambda: "new" in given) as new,
    ):
        await old.has(lanes=INTERACTIVE_LANES)
        assert not new.lane.mine
        given.add("new")
        await new.has(lanes=INTERACTIVE_LANES // 2)
        given.remove("old")
        await new.has(lanes=INTERACTIVE_LANES)
        await old.has(lanes=0)
        given.symmetric_difference_update({"old", "new"})
        await old.has(lanes=INTERACTIVE_LANES)


async def test_what_a_dead_worker_had_is_carried_out_by_another(
    lane: Lane, database_url: str, pool: Pool
) -> None:
    hangs = asyncio.Event()

    async def never(_: str, __: dict[str, Any]) -> None:
        await hangs.wait()

    async with worker(lane, database_url) as alive:
        await alive.has(lanes=INTERACTIVE_LANES)
        async with worker(lane, database_url, never) as dead:
            await dead.has(lanes=INTERACTIVE_LANES // 2)
            await alive.has(lanes=INTERACTIVE_LANES // 2)
            lane.number = min(dead.lane.mine)
            await lane.add(5)
            await dead.dies(pool)
            await until_ended(lane)
            await alive.has(lanes=INTERACTIVE_LANES)


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_worker_whose_session_is_lost_takes_its_lanes_again(
    lane: Lane, database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    if not is_told:  # as asyncpg does of a connection that is lost amid an answer
        monkeypatch.setattr(asyncpg.Connection, "add_termination_listener", lambda *_: None)
    async with worker(lane, database_url) as one:
        await one.has(lanes=INTERACTIVE_LANES)
        assert one.listener.session is not None
        await pool.execute("SELECT pg_terminate_backend($1)", one.listener.session.get_server_pid())
        await one.has(lanes=0)
        await one.has(lanes=INTERACTIVE_LANES)
        await lane.add(3)
        await until_ended(lane)


async def test_a_session_that_answers_no_more_is_given_up(
    lane: Lane, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(lane, database_url) as one:
        await one.has(lanes=INTERACTIVE_LANES)
        session = one.listener.session
        with monkeypatch.context() as stands_still:
            stands_still.setattr(interactive, "_ANSWERS_S_MAX", 0.2)
            stands_still.setattr(ownership, "_HELD", "SELECT pg_sleep(3600)")
            await one.has(lanes=0)
        await one.has(lanes=INTERACTIVE_LANES)
        assert one.listener.session is not session


async def test_a_session_that_says_nothing_is_ended(
    lane: Lane, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process hangs, or the network is gone: the lanes must not be its own for hours."""
    monkeypatch.setattr(ownership, "_SILENT_MS_MAX", 200)
    async with worker(lane, database_url) as one:
        await one.has(lanes=INTERACTIVE_LANES)
        session = one.listener.session
        monkeypatch.setattr(interactive, "LOOK_S", 3600)
        await eventually(lambda: one.listener.session is not session, pause_s=0.05)


async def test_rows_say_who_is_there_where_a_pooler_keeps_no_session(
    pool: Pool,
) -> None:
    first, second = RowClaims(pool), RowClaims(pool)
    holding = await first.holding()
    assert (holding.to_take, holding.members) == (interactive_lanes(), 1)
    await asyncio.gather(first.take(holding.to_take), second.take(holding.to_take))
    assert (await second.holding()).members == 2
    holding = await first.holding()
    assert holding.mine == frozenset(interactive_lanes())
    await first.leave(holding.to_leave)
    await second.take((await second.holding()).to_take)
    assert len((await second.holding()).mine) == INTERACTIVE_LANES // 2
    assert (await first.holding()).to_leave == []
    await pool.execute(
        "UPDATE lane_workers SET seen_at = now() - interval '1 minute' WHERE process = $1",
        first._process,
    )
    assert (await second.holding()).members == 1
    await second.end()


async def test_what_one_customer_sends_by_the_hundred_holds_up_no_other(
    lane: Lane, database_url: str, pool: Pool
) -> None:
    await lane.add(100)
    lane.customer_id = "cus_other"
    [other] = await lane.add(1)
    async with worker(lane, database_url):

        async def nothing_is_left() -> bool:
            return not await pool.fetchval(
                "SELECT count(*) FROM operations WHERE kind = $1 AND lane < -1"
                " AND finished_at IS NULL",
                lane.kind,
            )

        await eventually(nothing_is_left, pause_s=0.02)
    assert (await store.get(pool, other)).status == Status.SUCCEEDED
    moved = [one for one in lane.ids if (await store.get(pool, one)).lane == 3]
    assert len(moved) > 50
    assert [entry.action for entry in await reporting.trail(pool, moved[0])] == [
        "accepted",
        "joined_flood",
    ]


@pytest.mark.parametrize(
    "error", [ProviderUnavailable("It is away."), ProviderRateLimited("Later.", retry_after_s=60)]
)
async def test_what_would_wait_for_a_provider_has_a_workflow_of_its_own_at_once(
    lane: Lane, database_url: str, pool: Pool, error: Exception
) -> None:
    permits, provider = Permits(pool), new_id("prv")

    async def process(operation_id: str, _: dict[str, Any]) -> None:
        async with provider_lane_step("pay_out", provider, lane_permits(permits)):
            await take_turn(for_a_request=True)
            raise error

    async with worker(lane, database_url, process):
        await lane.add(3)
        await eventually(lambda: len(lane.launched) == 3, pause_s=0.02)

        async def tells_why() -> bool:
            return any(
                (one.done, one.promoted_because) == (0, {f"pay_out: {error}": 3})
                for one in await interactive_workers(pool)
            )

        await eventually(tells_why, pause_s=0.05)
    assert set((await lane.reasons()).values()) == {f"pay_out: {error}"}
    await permits.close()


async def test_a_slow_provider_is_left_to_own_workflows_and_holds_up_no_other(
    lane: Lane, database_url: str, pool: Pool
) -> None:
    permits, slow, quick = Permits(pool), new_id("prv"), new_id("prv")
    answers, permit = asyncio.Event(), lane_permits(permits)

    async def process(operation_id: str, _: dict[str, Any]) -> None:
        provider = slow if lane.ids.index(operation_id) < 70 else quick
        async with provider_lane_step("pay_out", provider, permit):
            await take_turn(for_a_request=True)
            if provider == slow:
                await answers.wait()
        await end(pool, operation_id)

    async with worker(lane, database_url, process):
        await lane.add(70)
        lane.customer_id = "cus_quick"
        await lane.add(5)

        async def quick_ones_ended() -> bool:
            return (await lane.statuses())[70:] == [Status.SUCCEEDED] * 5

        await eventually(quick_ones_ended, pause_s=0.02)
        assert {one.id for one in lane.launched} <= {*lane.ids[:70]}
        answers.set()
    await permits.close()


async def test_the_janitor_promotes_what_no_worker_brought_to_its_end(
    lane: Lane, pool: Pool
) -> None:
    [left] = await lane.add(1)
    times = JanitorTimes(interactive_s=30)
    engine = RecordingEngine()
    for after_s, promoted in ((20, False), (40, True)):
        later = utc_now() + timedelta(seconds=after_s)
        await Janitor(pool, engine, times=times, clock=partial(_at, later)).look()
        assert ((await store.get(pool, left)).lane is None) == promoted


def _at(moment: datetime) -> datetime:
    return moment


def test_a_gear_is_told_by_the_lane() -> None:
    found = [gear_of(lane) for lane in (None, 0, 63, ELSEWHERE, interactive_lane(0))]
    assert found == [
        Gear.OWN_WORKFLOW,
        Gear.FLOOD,
        Gear.FLOOD,
        Gear.ELSEWHERE,
        Gear.INTERACTIVE,
    ]
    assert {gear_of(lane) for lane in interactive_lanes()} == {Gear.INTERACTIVE}
