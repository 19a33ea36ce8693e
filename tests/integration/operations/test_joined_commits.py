"""Steps that follow each other at once share commits; before a wait nothing is put off."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest

from perdure.capability.funded import FundedSteps
from perdure.core.errors import ProviderRateLimited
from perdure.core.ids import new_id
from perdure.core.turns import Permit, take_turn
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import reporting, store
from perdure.operations.joined import joined, joined_commits
from perdure.operations.lanes.script import LaneScript
from perdure.operations.lanes.steps import Postponed
from perdure.operations.lanes.work import current_work
from perdure.operations.model import Status
from perdure.operations.steps import TransactionalSteps
from perdure.storage.pool import Pool
from perdure.transfers.contracts import TransferInput
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import PAY_OUT, run_transfer

from .interleaving.books import check
from .interleaving.stage import Stage, open_stage
from .interleaving.world import Beginning, World
from .scripted_lane import Lane


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with open_stage(postgres_url) as opened:
        yield opened


async def test_a_transfer_costs_a_lane_four_commits(stage: Stage) -> None:
    world = await World.open(stage.pool, stage.observer, Beginning(is_interactive=True))
    world.start("interactive", 0, 0)
    await world.finish()
    await check(world)
    done = [said.partition(": ")[2] for said in world.gates.said]
    writes = [one for one in done if one == "after commit" or one.startswith("committed WITH")]
    # Hold and intent; answer, settlement and message; the message's intent; its answer and end.
    assert len(writes) == 4, done


async def test_a_hold_that_is_refused_is_told_as_its_own(stage: Stage) -> None:
    beginning = Beginning(transfers=2, covered=1, is_interactive=True)
    world = await World.open(stage.pool, stage.observer, beginning)
    for number in range(2):
        world.start("interactive", number, 0)
    await world.finish()
    await check(world)
    refused = next(one for one in await world.rows() if one.status == Status.FAILED)
    assert refused.failure is not None
    assert refused.failure.code == "insufficient_funds"
    reasons = {
        one.action: one.reason or "" for one in await reporting.trail(stage.pool, refused.id)
    }
    assert reasons["promoted"].startswith("hold_funds: ")
    made = await reporting.step_attempts(stage.pool, refused.id)
    assert "pay_out" not in [one.step for one in made]


class NoRoom(nullcontext[Permit]):
    async def __aenter__(self) -> Permit:
        raise ProviderRateLimited("No room.")


async def test_a_provider_that_has_no_room_keeps_nobody_from_his_hold(stage: Stage) -> None:
    world = await World.open(stage.pool, stage.observer, Beginning(is_interactive=True))
    [transfer] = world.operations

    async def pay_out(_: TransferInput) -> None:
        await take_turn()

    async def deliver(notification_ids: list[str]) -> list[str]:
        return notification_ids

    steps = TransactionalSteps(stage.pool)
    funded = FundedSteps(stage.pool, steps, PostgresLedger(), FUNDED)
    bodies = {**funded.bodies, PAY_OUT: pay_out}
    lane = LaneScript(
        run_transfer, TransferInput, bodies, deliver=deliver, permit=lambda _: NoRoom()
    )
    with pytest.raises(Postponed, match="No room"):
        await lane.run(transfer.id, transfer.input)
    held = await store.get(stage.pool, transfer.id)
    assert (held.status, held.is_finished) == (Status.PROCESSING, False)
    await world.finish()
    await check(world)


async def test_what_was_put_off_is_done_before_a_turn_is_waited_for(pool: Pool) -> None:
    lane = Lane(pool, new_id("lane"), [], {}, Counter(), [])
    is_done, turns = asyncio.Event(), []

    async def step() -> None:
        is_done.set()

    async def script() -> None:
        async with joined_commits(lane.ids[0]):
            assert joined().put_off_step(step)
            turns.append(await current_work().has_its_turn(_until(is_done)))

    lane.scripts[0] = script
    await lane.add(1)
    await lane.run()
    assert turns == [True]


async def _until(event: asyncio.Event) -> None:
    await event.wait()
