"""Two runners of one transfer, one of them held up for long at the worst of moments."""

from collections.abc import AsyncIterator

import pytest

from perdure.operations.model import Status

from .interleaving.books import check
from .interleaving.outside import Answer
from .interleaving.stage import Stage, open_stage
from .interleaving.world import Beginning, World

LOCK = "SELECT id, kind, status"
"""What a statement that locks an operation's row begins with."""
LOCK_MANY = "SELECT id, status FROM"
"""The same of a group's."""


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with open_stage(postgres_url) as opened:
        yield opened


async def begin(stage: Stage, *payouts: Answer) -> World:
    """Return a world with two runners of one transfer."""
    world = await World.open(stage.pool, stage.observer, Beginning(payouts=payouts))
    world.start("own", 0, 0)
    world.start("own", 0, 1)
    await world.gates.settle()
    return world


async def ended(world: World) -> Status:
    await world.finish()
    await check(world)
    [operation] = await world.rows()
    return operation.status


async def test_a_call_that_was_held_up_for_longer_than_its_lease_is_not_made(
    stage: Stage,
) -> None:
    world = await begin(stage)
    await world.go_until(0, "WITH intent")
    await world.go_until(0, "after commit")
    world.pass_s(11)
    await world.go_until(1, "bank: answer (done)")
    assert await ended(world) == Status.SUCCEEDED


async def test_a_bank_that_was_asked_before_the_lease_was_over_is_asked_again(
    stage: Stage,
) -> None:
    world = await begin(stage, Answer.SLOW)
    await world.go_until(0, "waits")
    await world.go_until(1, "bank: inquiry finds None")
    world.pass_s(11)
    assert await ended(world) == Status.SUCCEEDED


@pytest.mark.parametrize("answer", [Answer.AWAY, Answer.BROKE_OFF_BEFORE])
async def test_a_failure_told_late_does_not_undo_the_lease_of_the_next_call(
    stage: Stage, answer: Answer
) -> None:
    world = await begin(stage, answer)
    await world.go_until(0, f"bank: {answer}" if answer == Answer.AWAY else "bank: answer")
    await world.go_until(0, LOCK)
    world.pass_s(11)
    await world.go_until(1, "bank: request")
    await world.go_until(0, "commit")
    await world.go(0)
    await world.go_until(0, "bank: answer", "waits")
    assert await ended(world) == Status.SUCCEEDED


async def test_a_no_told_late_does_not_hide_the_yes_to_the_next_call(stage: Stage) -> None:
    world = await begin(stage, Answer.DECLINED)
    await world.go_until(0, "bank: answer")
    await world.go_until(0, LOCK)
    world.pass_s(11)
    await world.go_until(1, "bank: answer (done)")
    await world.go_until(0, "waits", "WITH hold")
    assert await ended(world) == Status.SUCCEEDED


async def test_what_a_dead_worker_had_paid_out_is_found_by_the_next_without_waiting(
    stage: Stage,
) -> None:
    world = await World.open(stage.pool, stage.observer, Beginning(is_interactive=True))
    world.start("interactive", 0, 0)
    await world.gates.settle()
    await world.go_until(0, "bank: answer (done)")
    world.crash(0)
    began_at = world.clock()
    world.start("interactive", 0, 1)
    await world.gates.settle()
    await world.go_until(1, "sms: answer")
    assert world.clock() == began_at
    assert await ended(world) == Status.SUCCEEDED


async def test_what_is_still_on_its_way_from_a_dead_worker_is_asked_for_again_and_found(
    stage: Stage,
) -> None:
    world = await World.open(
        stage.pool, stage.observer, Beginning(is_interactive=True, payouts=[Answer.SLOW])
    )
    world.start("interactive", 0, 0)
    await world.gates.settle()
    await world.go_until(0, "bank: request")
    world.crash(0)
    world.start("interactive", 0, 1)
    assert await ended(world) == Status.SUCCEEDED
    assert any("bank: inquiry finds None" in said for said in world.gates.said)
    assert world.bank.payouts.sent == 1


async def begin_with_one_about_to_undo(stage: Stage, *payouts: Answer) -> World:
    """Return a world whose second runner ran out of tries, while the first has made none."""
    world = await begin(stage, *[Answer.AWAY] * 6, *payouts)
    await world.go_until(0, LOCK_MANY)
    for _ in range(6):
        await world.go_until(1, f"bank: {Answer.AWAY}")
    await world.go_until(1, "waits")
    await world.go_until(1, LOCK)  # to find out what became of its calls
    await world.go_until(1, LOCK)  # to begin undoing
    return world


async def test_what_has_succeeded_meanwhile_is_not_undone(stage: Stage) -> None:
    world = await begin_with_one_about_to_undo(stage)
    await world.go_until(0, "sms: answer")
    assert await ended(world) == Status.SUCCEEDED


async def test_what_is_being_undone_is_not_settled_however_late_its_call_fails(
    stage: Stage,
) -> None:
    world = await begin_with_one_about_to_undo(stage, Answer.CUT_AFTER)
    # The first calls, and is held up with the news that the line was cut.
    await world.go_until(0, "bank: answer")
    await world.go_until(0, LOCK)
    await world.go_until(1, "bank: inquiry")
    await world.go_until(0, "WITH answer")
    await world.go_until(0, "after commit")
    assert await ended(world) == Status.FAILED
