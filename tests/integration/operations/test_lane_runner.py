"""Lanes: what cannot go on leaves them, what can is done once, and nothing holds up the rest."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from perdure.core.errors import (
    InsufficientFunds,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.operations import reporting
from perdure.operations.attempts import current_attempt
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.lanes import store as lanes
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.steps import Postponed, Promoted, lane_step
from perdure.operations.lanes.work import LaneProcess, Stretch, aside
from perdure.operations.model import Status
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.storage.outages import is_outage
from perdure.storage.pool import Connection, Pool, open_pool

from .scripted_lane import LIMITS, Lane, end

NUMBERS = count()


def raises(error: Exception) -> Callable[[], None]:
    def script() -> None:
        raise error

    return script


def raises_in_a_step(error: Exception) -> Callable[[], None]:
    def script() -> None:
        with lane_step("pay_out"):
            raise error

    return script


@pytest.fixture
async def lane(pool: Pool) -> Lane:
    return Lane(pool, f"lane_test_{next(NUMBERS)}", [], {}, Counter(), [])


async def test_all_of_a_lane_is_done_once_over_many_pages(lane: Lane) -> None:
    await lane.add(4 * 3 + 1)
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (13, 0, True)
    assert set(await lane.statuses()) == {Status.SUCCEEDED}
    assert set(lane.runs.values()) == {1}


@pytest.mark.parametrize("operations", [1, 3, 4, 5, 8])
async def test_no_page_boundary_loses_an_operation(lane: Lane, operations: int) -> None:
    await lane.add(operations)
    stretch = await lane.run()
    assert (stretch.done, stretch.is_empty, len(lane.runs)) == (operations, True, operations)


async def test_an_empty_lane_ends_at_once(lane: Lane) -> None:
    stretch = await lane.run()
    assert (stretch.done, stretch.is_empty) == (0, True)


async def test_another_lane_and_another_kind_are_left_alone(lane: Lane, pool: Pool) -> None:
    other = Lane(pool, f"{lane.kind}_other", [], {}, Counter(), [])
    await other.add(2)
    await lane.add(2)
    await lane.run()
    assert not await lanes.is_empty(pool, other.kind, 0)
    assert await lanes.is_empty(pool, lane.kind, 0)
    assert other.runs == Counter()


async def test_what_is_added_before_the_last_page_is_turned_is_done_in_the_same_stretch(
    lane: Lane,
) -> None:
    added: list[str] = []

    async def add() -> None:
        added.extend(await lane.add(6))

    await lane.add(5)
    lane.scripts = {2: add}
    stretch = await lane.run(replace(LIMITS, at_once=1))
    assert (stretch.done, stretch.is_empty) == (11, True)
    assert [lane.runs[found] for found in added] == [1] * 6


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("a defect"), "ZeroDivisionError: a defect"),
        (Promoted("It has to wait."), "It has to wait."),
    ],
)
async def test_what_raises_is_promoted_with_its_reason_and_holds_up_nobody(
    lane: Lane, error: Exception, reason: str
) -> None:
    await lane.add(9)
    lane.scripts = {0: raises(error), 5: raises(error)}
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (7, 2, True)
    assert await lane.reasons() == {0: reason, 5: reason}
    assert {operation.id for operation in lane.launched} == {lane.ids[0], lane.ids[5]}
    assert all(operation.lane is None for operation in lane.launched)
    statuses = await lane.statuses()
    assert statuses.count(Status.SUCCEEDED) == 7
    assert statuses[0] == statuses[5] == Status.PENDING


@pytest.mark.parametrize(
    "error", [InsufficientFunds("Not enough."), ProviderOutcomeUnknown("The line was cut.")]
)
async def test_what_is_refused_or_ends_unknown_in_a_step_is_promoted(
    lane: Lane, error: Exception
) -> None:
    await lane.add(2)
    lane.scripts = {0: raises_in_a_step(error)}
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted) == (1, 1)
    assert await lane.reasons() == {0: f"pay_out: {error}"}


async def test_what_hangs_is_promoted_after_its_time_and_holds_up_nobody(lane: Lane) -> None:
    await lane.add(9)
    lane.scripts = {0: asyncio.Event().wait, 1: asyncio.Event().wait}
    stretch = await lane.run(replace(LIMITS, operation_s=0.5))
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (7, 2, True)
    reason = "It took longer than 0.5 s."
    assert await lane.reasons() == {0: reason, 1: reason}


async def test_what_swallows_its_cancellation_is_promoted_when_it_comes_back(lane: Lane) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ZeroDivisionError("in its clean-up") from None

    await lane.add(2)
    lane.scripts = {0: stubborn}
    stretch = await lane.run(replace(LIMITS, operation_s=0.2))
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (1, 1, True)


async def test_a_time_out_of_its_own_is_not_a_database_that_is_away(lane: Lane) -> None:
    await lane.add(2)
    lane.scripts = {0: raises(TimeoutError("a provider"))}
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (1, 1, True)


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailable("It is away."), ProviderRateLimited("Slower.", retry_after_s=0.2)],
)
async def test_a_provider_that_is_away_pauses_the_lane_which_goes_on_when_it_is_back(
    lane: Lane, error: Exception
) -> None:
    away = iter([True, True, False])

    def script() -> None:
        with lane_step("pay_out"):
            if next(away, False):
                raise error

    await lane.add(6)
    lane.scripts = {0: script}
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (6, 0, True)
    assert lane.runs[lane.ids[0]] == 3
    assert set(await lane.statuses()) == {Status.SUCCEEDED}


async def test_while_a_lane_is_paused_nobody_calls_the_provider(lane: Lane) -> None:
    called_at: list[float] = []

    async def process(operation_id: str, given: dict[str, Any]) -> None:
        called_at.append(asyncio.get_running_loop().time())
        if len(called_at) == 1:
            raise Postponed("pay_out: It is away.", 0.5)
        await end(lane.pool, operation_id)

    await lane.add(12)
    stretch = await lane.run(replace(LIMITS, at_once=1), process)
    assert (stretch.done, stretch.is_empty) == (12, True)
    assert called_at[1] - called_at[0] >= 0.5


async def test_one_that_meets_its_provider_away_again_and_again_is_promoted(lane: Lane) -> None:
    await lane.add(3)
    lane.scripts = {0: raises(Postponed("pay_out: It is away.", 0.01))}
    stretch = await lane.run()
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (2, 1, True)
    assert await lane.reasons() == {0: "pay_out: It is away."}
    assert lane.runs[lane.ids[0]] == 5


async def test_a_stretch_that_is_ending_begins_no_more_and_finishes_what_it_began(
    lane: Lane,
) -> None:
    stretch = Stretch()
    under_way: list[set[str]] = []

    async def end_it() -> None:
        stretch.over.set()
        under_way.append(set(stretch.under_way))

    await lane.add(20)
    lane.scripts = {0: end_it}
    await lane.runner().run(lane.kind, 0, stretch)
    assert 1 <= stretch.done == len(lane.runs) < 20
    assert lane.ids[0] in under_way[0]
    assert not stretch.is_empty
    assert (await lane.statuses()).count(Status.SUCCEEDED) == stretch.done
    assert (await lane.run()).is_empty
    assert set(lane.runs.values()) == {1}


async def test_a_stretch_whose_time_is_over_leaves_the_rest(lane: Lane) -> None:
    await lane.add(8)
    lane.scripts = dict.fromkeys(range(8), lambda: asyncio.sleep(0.3))
    stretch = await lane.run(replace(LIMITS, at_once=1, stretch_s=0.5))
    assert 1 <= stretch.done < 8
    assert not stretch.is_empty


async def test_a_database_that_is_away_ends_the_stretch_and_what_was_under_way_is_left(
    lane: Lane, pool: Pool
) -> None:
    await lane.add(6)
    lane.scripts = {3: raises(ConnectionResetError("gone"))}
    stretch = Stretch()
    with pytest.raises(ConnectionResetError):
        await lane.runner(replace(LIMITS, at_once=2)).run(lane.kind, 0, stretch)
    assert stretch.under_way == set()
    assert await lane.reasons() == {}
    assert (await lane.statuses())[3] == Status.PENDING
    lane.scripts = {}
    assert (await lane.run()).is_empty
    assert set(await lane.statuses()) == {Status.SUCCEEDED}


async def test_a_database_that_ends_its_connections_ends_the_stretch(
    lane: Lane, database_url: str, pool: Pool
) -> None:
    await lane.add(8)
    name = f"perdure-{lane.kind}"
    async with open_pool(database_url, size=4, application_name=name) as own:

        async def cut() -> None:
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = $1",
                name,
            )
            await own.fetchval("SELECT 1")

        async def process(operation_id: str, given: dict[str, Any]) -> None:
            async with own.acquire() as connection:
                if operation_id == lane.ids[5]:
                    await cut()
                await connection.fetchval("SELECT 1")
            await end(pool, operation_id)

        runner = LaneRunner(own, {lane.kind: process}, lane.launch, limits=LIMITS)
        with pytest.raises(Exception) as lost:  # noqa: PT011 - one of several
            await runner.run(lane.kind, 0, Stretch())
    assert is_outage(lost.value)
    assert await lane.reasons() == {}
    assert (await lane.run()).is_empty


async def test_a_step_is_the_attempt_under_way() -> None:
    with lane_step("hold_funds"):
        first = current_attempt("hold_funds")
        assert current_attempt("hold_funds") is first
    assert current_attempt("hold_funds") is not first


@pytest.fixture
def effects_step(pool: Pool) -> Callable[[], LaneProcess]:
    """Makes a process that ends an operation by a grouped step, as each runner has its own."""

    async def one(step: StepTransaction, given: int) -> int:
        step.planned = Move(Status.SUCCEEDED, "settled")
        return given

    async def many(connection: Connection, given: Mapping[str, int]) -> dict[str, StepDone[int]]:
        move = Move(Status.SUCCEEDED, "settled")
        return {found: StepDone(each, move) for found, each in given.items()}

    def make() -> LaneProcess:
        grouped: GroupedStep[int, int] = GroupedStep(
            pool,
            TransactionalSteps(pool),
            "settle",
            one=one,
            many=many,
            returns=int,
            ends=("settle",),
        )

        async def process(operation_id: str, given: dict[str, Any]) -> None:
            with lane_step("settle"):
                await grouped.run(operation_id, 1)

        return process

    return make


async def test_two_runners_of_one_lane_do_everything_once(
    lane: Lane, effects_step: Callable[[], LaneProcess]
) -> None:
    await lane.add(60)
    stretches = await asyncio.gather(*(lane.run(process=effects_step()) for _ in range(3)))
    assert all(stretch.is_empty for stretch in stretches)
    assert sum(stretch.promoted for stretch in stretches) == 0
    assert set(await lane.statuses()) == {Status.SUCCEEDED}
    for found in lane.ids:
        actions = [entry.action for entry in await reporting.trail(lane.pool, found)]
        assert actions == ["accepted", "settled"]


async def test_what_two_runners_promote_at_once_is_promoted_once(lane: Lane) -> None:
    await lane.add(10)
    lane.scripts = dict.fromkeys(range(10), raises(Promoted("It has to wait.")))
    stretches = await asyncio.gather(lane.run(), lane.run())
    assert sum(stretch.promoted for stretch in stretches) == 10
    assert len(lane.launched) == 10
    for found in lane.ids:
        actions = [entry.action for entry in await reporting.trail(lane.pool, found)]
        assert actions == ["accepted", "promoted"]


async def test_those_that_wait_aside_leave_their_places_to_others(lane: Lane) -> None:
    async def wait() -> None:
        with aside():
            await others_done.wait()

    others_done = asyncio.Event()
    await lane.add(12)
    lane.scripts = dict.fromkeys(range(6), wait) | {11: others_done.set}
    stretch = await lane.run(replace(LIMITS, at_once=2))
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (12, 0, True)


async def test_no_more_wait_aside_than_may_and_no_more_are_under_way_than_may(lane: Lane) -> None:
    under_way, most = 0, 0

    async def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        with aside():
            await asyncio.sleep(0.02)
        under_way -= 1

    await lane.add(20)
    lane.scripts = dict.fromkeys(range(20), work)
    stretch = await lane.run(replace(LIMITS, at_once=3, aside_max=2))
    assert (stretch.done, stretch.is_empty) == (20, True)
    assert 3 <= most <= 5


async def test_who_fails_aside_is_promoted_and_its_place_is_not_lost(lane: Lane) -> None:
    async def fail() -> None:
        with aside():
            await asyncio.sleep(0.01)
            raise ZeroDivisionError("a defect")

    await lane.add(12)
    lane.scripts = dict.fromkeys(range(0, 12, 2), fail)
    stretch = await lane.run(replace(LIMITS, at_once=2))
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (6, 6, True)


async def test_outside_a_lane_nobody_waits_aside() -> None:
    with aside():
        assert current_attempt("pay_out").step == "pay_out"
