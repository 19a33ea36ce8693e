"""Whatever happens to a transfer at whichever moment of its run: the effects of one run."""

import os
from collections.abc import AsyncIterator

import pytest

from .interleaving.books import check
from .interleaving.outside import Answer
from .interleaving.stage import Stage, open_stage
from .interleaving.world import Beginning, World

MOMENTS_MAX = 200
STEP = int(os.environ.get("MOMENTS_STEP", "5"))
"""A suite has time for every fifth moment; `make test-long` takes them all."""


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with open_stage(postgres_url) as opened:
        yield opened


async def run_until(stage: Stage, kind: str, moment: int, payouts: tuple[Answer, ...]) -> World:
    """Return a world whose runner did so many things, if it has so many to do."""
    world = await World.open(stage.pool, stage.observer, Beginning(payouts=payouts))
    world.start(kind, 0, 0)
    await world.gates.settle()
    for _ in range(moment):
        if world.gates.points:
            await world.go_on()
    return world


async def disturb(world: World, disturbance: str) -> None:
    """Have something happen, as far as the runner that is held lets it."""
    match disturbance:
        case "kill":
            world.runners[0].task.cancel()
        case "crash":
            world.crash(0)
            # Whoever takes its lane over goes on at once.
            world.start("interactive", 0, 1)
            await world.gates.settle()
        case _:
            world.start(disturbance, 0, 1)
            await world.gates.settle()
            while len(world.gates.points) > 1:
                await world.go_on(latest=True)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "payouts", [(), (Answer.CUT_AFTER,), (Answer.LIED,)], ids=["paid", "cut", "lied"]
)
@pytest.mark.parametrize(
    "disturbance", ["kill", "crash", "cancel", "park", "promote", "own", "lane"]
)
@pytest.mark.parametrize("kind", ["lane", "own"])
async def test_a_disturbance_at_any_moment(
    stage: Stage, kind: str, disturbance: str, payouts: tuple[Answer, ...]
) -> None:
    for moment in range(len(disturbance) % STEP, MOMENTS_MAX, STEP):
        world = await run_until(stage, kind, moment, payouts)
        was_over = not world.gates.points
        if not was_over:
            await disturb(world, disturbance)
        try:
            await world.finish()
            await check(world)
        except BaseException:
            print("\n".join([f"disturbed at moment {moment}", *world.gates.said]))
            raise
        if was_over:
            assert moment > 15
            return
    raise AssertionError("it never ended")
