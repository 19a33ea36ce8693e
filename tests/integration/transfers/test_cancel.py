"""Cancelling a transfer at each point of its way, in both gears."""

import asyncio

import pytest

from perdure.capability import books
from perdure.operations.model import Status
from tests.integration.payments.town import Town
from tests.polls import eventually

from .transfers import accept, actions, bank_misbehaves, ended, own_lane, payouts, transfer


async def cancel(town: Town, operation_id: str) -> bool:
    answer = await town.platform.operations.cancel(
        operation_id, actor="ada", reason="Wrong amount."
    )
    return answer.accepted


async def until_paid(town: Town, operation_id: str) -> None:
    """Wait until the bank has paid; whoever asked it still waits for the answer."""
    await eventually(lambda: payouts(town, operation_id))


async def test_a_payout_whose_answer_was_lost_is_recalled_when_cancelled_e5(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    found = await transfer(town, account, destination="dest_timeout")
    await until_paid(town, found)
    assert await cancel(town, found)
    operation = await town.end_of(found)
    assert ended(operation) == ("cancelled", "cancelled")
    assert operation.failure is not None
    assert operation.failure.message == "Wrong amount."
    assert await payouts(town, found) == ["recalled"]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (5_000, 5_000)
    assert Status.REVERSING in await town.statuses(found)
    undone = [step for step in await town.steps(found) if "recall" in step or "close" in step]
    assert undone == ["recall_payout:succeeded", "close:succeeded"]


async def test_money_the_bank_keeps_leaves_the_transfer_to_an_operator_e5(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    async with bank_misbehaves(town, "delay"):
        found = await transfer(town, account, destination="dest_not_recallable")
        await until_paid(town, found)
        assert await cancel(town, found)
    operation = await town.until(found, {"needs_attention"})
    assert ended(operation) == ("needs_attention", "payout_not_recallable")
    assert await payouts(town, found) == ["paid"]
    # Neither here nor there: what is paid stays held until somebody decides.
    assert (await town.balance(account)).available_minor == 4_000
    assert await books.violations(town.platform.pool, {"bank": town.books["bank"]}) == []


@pytest.mark.parametrize("destination", ["dest_timeout", "dest_slow"])
async def test_a_cancel_takes_a_transfer_out_of_its_lane_and_undoes_it(
    quiet_town: Town, destination: str
) -> None:
    town = quiet_town
    account = await town.account(funds_minor=5_000)
    async with own_lane(town, 0, bank_timeout_s=3) as lane:
        found = (await accept(town, account, lane=0, destination=destination)).id
        running = asyncio.create_task(lane.run())
        await until_paid(town, found)
        assert await cancel(town, found)
        operation = await town.end_of(found)
        # What the lane still had of it ends without a trace, after the call's answer or before.
        stretch = await running
    assert (operation.status, operation.lane) == (Status.CANCELLED, None)
    assert stretch.promoted == 0
    assert (await actions(town, found)).count("promoted") == 1
    assert await payouts(town, found) == ["recalled"]
    assert (await town.balance(account)).available_minor == 5_000
