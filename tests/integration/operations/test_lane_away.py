"""A lane whose provider is away for all: it waits where it is, and takes what it held up along."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from perdure.core.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable
from perdure.core.ids import new_id
from perdure.core.turns import take_turn
from perdure.limits.permits import Permits
from perdure.limits.rules import FAILURES_MAX
from perdure.operations import store
from perdure.operations.lanes.permits import lane_permits
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.steps import provider_lane_step
from perdure.operations.lanes.work import Stretch
from perdure.operations.model import Status
from perdure.operations.waiting import Patience, ProviderWaits
from perdure.storage.pool import Pool

from .scripted_lane import LIMITS, Lane, end


@dataclass
class Bank:
    """A provider that answers, or gives nobody an answer."""

    name: str
    permits: Permits
    fails_with: ProviderError | None = None
    calls: int = 0

    async def pay_out(self) -> None:
        async with provider_lane_step("pay_out", self.name, lane_permits(self.permits)):
            await take_turn(for_a_request=True)
            self.calls += 1
            await asyncio.sleep(0)
            if self.fails_with is not None:
                raise self.fails_with


@pytest.fixture
async def bank(pool: Pool) -> AsyncIterator[Bank]:
    permits = Permits(pool)
    yield Bank(new_id("prv"), permits)
    await permits.close()


@pytest.fixture
def lane(pool: Pool) -> Lane:
    return Lane(pool, new_id("lane"), [], {}, Counter(), [])


def runner(lane: Lane, bank: Bank, *, patience_s: float, stretch_s: float = 30) -> LaneRunner:
    async def process(operation_id: str, given: dict[str, Any]) -> None:
        await bank.pay_out()
        await end(lane.pool, operation_id)

    waits = ProviderWaits(lane.pool, {"pay_out": Patience(patience_s, "bank_unavailable")})
    return LaneRunner(
        lane.pool,
        {lane.kind: process},
        lane.launch,
        limits=replace(LIMITS, at_once=20, stretch_s=stretch_s),
        wait=waits.wait,
    )


async def run(lane: Lane, with_runner: LaneRunner) -> Stretch:
    stretch = Stretch()
    async with asyncio.timeout(60):
        await with_runner.run(lane.kind, 0, stretch)
    return stretch


@pytest.mark.parametrize(
    ("error", "promoted_max"),
    [
        (ProviderUnavailable("Nobody listens."), 0),
        # Before it is known to be so for all, an outcome that is unknown is found out by itself.
        (ProviderOutcomeUnknown("No answer in time."), FAILURES_MAX),
    ],
    ids=["refused", "times out"],
)
async def test_what_is_away_for_all_has_nothing_leave_the_lane(
    lane: Lane, bank: Bank, error: ProviderError, promoted_max: int
) -> None:
    await lane.add(60)
    bank.fails_with = error
    running = asyncio.create_task(run(lane, runner(lane, bank, patience_s=3600)))
    async with asyncio.timeout(60):
        while not bank.permits.is_away(bank.name):  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    # What was under way when it broke, and a probe or two.
    assert bank.calls <= FAILURES_MAX + 20 + 5
    bank.fails_with = None
    stretch = await running
    assert stretch.promoted <= promoted_max
    assert stretch.done == 60 - stretch.promoted
    assert stretch.is_empty


async def test_what_waits_says_so_and_is_left_to_the_next_stretch(lane: Lane, bank: Bank) -> None:
    await lane.add(20)
    bank.fails_with = ProviderUnavailable("Nobody listens.")
    stretch = await run(lane, runner(lane, bank, patience_s=3600, stretch_s=1.5))
    assert (stretch.done, stretch.promoted, stretch.is_empty) == (0, 0, False)
    waiting = [await store.get(lane.pool, found) for found in lane.ids]
    assert {one.status for one in waiting} == {Status.WAITING}
    assert {one.failure.code for one in waiting if one.failure} == {"bank_unavailable"}

    bank.fails_with = None
    assert (await run(lane, runner(lane, bank, patience_s=3600))).is_empty
    assert set(await lane.statuses()) == {Status.SUCCEEDED}


async def test_what_has_waited_for_long_gets_a_workflow_of_its_own(lane: Lane, bank: Bank) -> None:
    await lane.add(3)
    bank.fails_with = ProviderUnavailable("Nobody listens.", asked_wait_s=7200)
    stretch = await run(lane, runner(lane, bank, patience_s=3600, stretch_s=1.5))
    assert (stretch.promoted, stretch.is_empty) == (3, True)
    assert all(
        reason and "asked to be left alone" in reason for reason in (await lane.reasons()).values()
    )
