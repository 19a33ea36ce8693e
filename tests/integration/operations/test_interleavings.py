"""However runs of a transfer interleave, break off and begin anew: the effects of one run."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .interleaving.books import check
from .interleaving.gates import Point
from .interleaving.outside import Answer
from .interleaving.stage import Stage, open_stage
from .interleaving.world import Beginning, World


@dataclass(frozen=True)
class Start:
    """Somebody begins to carry a transfer out, promotes, stops, parks or releases it."""

    kind: str
    transfer: int
    process: int


@dataclass(frozen=True)
class Go:
    """A runner does what it is held before, some times over."""

    runner: int
    times: int


@dataclass(frozen=True)
class GoTogether:
    """Everybody does what they are held before, at the same time."""


@dataclass(frozen=True)
class Kill:
    """A runner is cancelled: where it is held, or so many turns of the loop after it went on."""

    runner: int
    turns: int


@dataclass(frozen=True)
class Crash:
    """A process dies: where all are held in it, or so many turns of the loop after they went on."""

    process: int
    turns: int


@dataclass(frozen=True)
class Pass:
    """Time passes while everybody is held."""

    seconds: float


Action = Start | Go | GoTogether | Kill | Crash | Pass

RUNNERS = st.integers(0, 3)
TRANSFERS = st.integers(0, 2)
PROCESSES = st.integers(0, 1)
TURNS = st.integers(0, 4)
WORK = ["lane", "interactive", "interactive", *["own"] * 3, "promote", "cancel", "park", "release"]
STARTS = st.builds(
    Start,
    st.sampled_from(WORK),
    TRANSFERS,
    PROCESSES,
)
STEPS = st.builds(Go, RUNNERS, st.integers(1, 8) | st.integers(8, 24))

ACTIONS: st.SearchStrategy[Action] = st.one_of(
    STARTS,
    STEPS,
    STEPS,
    STEPS,
    st.builds(GoTogether),
    st.builds(Kill, RUNNERS, TURNS),
    st.builds(Crash, PROCESSES, TURNS),
    st.builds(Pass, st.sampled_from([3.0, 6.0, 11.0])),
)
ANSWERS = st.lists(st.sampled_from(Answer), max_size=7)
RECALLS = [each for each in Answer if each not in (Answer.DECLINED, Answer.FAILED)]
TEXTS = [each for each in RECALLS if each not in (Answer.REJECTED_AFTER, Answer.LIED)]
COUNTS = st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 1), (3, 2)])
"""Of transfers, and of those that their account covers."""
BEGINNINGS = st.builds(
    lambda count, **more: Beginning(*count, **more),
    COUNTS,
    in_lanes=st.booleans(),
    is_interactive=st.booleans(),
    payouts=ANSWERS,
    recalls=st.lists(st.sampled_from(RECALLS), max_size=3),
    inquiries=st.lists(st.booleans(), max_size=3),
    texts=st.lists(st.sampled_from(TEXTS), max_size=3),
)
SCHEDULES = st.tuples(STARTS, STARTS, st.lists(ACTIONS, min_size=3, max_size=25)).map(
    lambda parts: [parts[0], parts[1], *parts[2]]
)


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with open_stage(postgres_url) as opened:
        yield opened


@pytest.mark.timeout(600)
@settings(
    max_examples=int(os.environ.get("INTERLEAVINGS", "30")),
    derandomize=True,
    deadline=None,
    database=None,
    # A failing schedule is printed with all that everybody did; making it shorter takes minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(beginning=BEGINNINGS, schedule=SCHEDULES)
async def test_any_interleaving_has_the_effects_of_one_undisturbed_run(
    stage: Stage, beginning: Beginning, schedule: Sequence[Action]
) -> None:
    await play(stage, beginning, schedule)


async def play(stage: Stage, beginning: Beginning, schedule: Sequence[Action]) -> World:
    """Do what a schedule says, have everything come to its end, and look at all the books."""
    world = await World.open(stage.pool, stage.observer, beginning)
    try:
        for action in schedule:
            world.gates.said.append(f"  {action}")
            await act(world, action)
            await world.gates.settle()
        await world.finish()
        await check(world)
    except BaseException:
        print("\n".join([f"{beginning}", *world.gates.said]))
        raise
    return world


async def act(world: World, action: Action) -> None:
    match action:
        case Start(kind, transfer, process):
            world.start(kind, transfer, process)
        case Go(runner, times):
            await go(world, runner, times)
        case GoTogether():
            world.gates.release_all()
        case Kill(runner, turns):
            await kill(world, runner, turns)
        case Crash(process, turns):
            await crash(world, process, turns)
        case Pass(seconds):
            world.pass_s(seconds)


async def go(world: World, number: int, times: int) -> None:
    for _ in range(times):
        if (point := find(world, number)) is not None:
            world.gates.release(point)
            await world.gates.settle()


async def pass_turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def crash(world: World, process: int, turns: int) -> None:
    if turns:
        world.gates.release_all(world.processes[process].life)
        await pass_turns(turns)
    world.crash(process)


async def kill(world: World, number: int, turns: int) -> None:
    living = [runner for runner in world.runners if not runner.task.done()]
    if not living:
        return
    runner = living[number % len(living)]
    held = [point for point in world.gates.points if point.runner == runner.number]
    if turns and held:
        world.gates.release(held[0])
        await pass_turns(turns)
    runner.task.cancel()


def find(world: World, number: int) -> Point | None:
    """Return where a runner is held; if it waits for others, where one of those is."""
    living = [runner for runner in world.runners if not runner.task.done()]
    if not living:
        return None
    runner = living[number % len(living)]
    points = world.gates.points
    return next(
        (point for point in points if point.runner == runner.number),
        next((point for point in points if point.life is runner.process.life), None),
    )
