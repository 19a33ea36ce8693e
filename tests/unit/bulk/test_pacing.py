"""The pace: even, never faster than asked for, and changed while it is waited for."""

import asyncio

import pytest

from perdure.operations.bulk.pacing import Pacer


class Time:
    """A loop's time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def due_times(pacer: Pacer, clock: Time, turns: int, late_s: float = 0.0) -> list[float]:
    """Return when turns were due, each taken as soon as it is, or late."""
    found = []
    for _ in range(turns):
        clock.now_s = max(clock.now_s, pacer.due_s) + late_s
        await pacer.turn()
        found.append(round(clock.now_s - 100, 6))
    return found


@pytest.fixture
def clock() -> Time:
    return Time()


async def test_turns_come_evenly_the_first_after_one_interval(clock: Time) -> None:
    pacer = Pacer(10.0, clock=clock)
    assert await due_times(pacer, clock, 4) == [0.1, 0.2, 0.3, 0.4]


async def test_timers_that_are_a_little_late_do_not_slow_it_down(clock: Time) -> None:
    pacer = Pacer(100.0, clock=clock)
    times = await due_times(pacer, clock, 100, late_s=0.001)
    assert times[-1] == pytest.approx(1.0, abs=0.01)


async def test_what_was_not_used_is_not_made_up_for(clock: Time) -> None:
    pacer = Pacer(100.0, clock=clock)
    clock.now_s += 60  # the database was away
    times = await due_times(pacer, clock, 100)
    assert times[-1] >= 60.9


async def test_another_rate_holds_for_the_turn_that_is_waited_for() -> None:
    pacer = Pacer(0.001)
    waiting = asyncio.create_task(pacer.turn())
    await asyncio.sleep(0)
    assert not waiting.done()
    pacer.rate_per_s = 1_000.0
    async with asyncio.timeout(60):
        await waiting
