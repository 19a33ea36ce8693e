"""Payments in a lane: the effects of a workflow of their own, or a workflow of their own."""

import asyncio

import pytest

from perdure.operations.engine import RunState
from perdure.operations.lanes.work import LaneLimits
from perdure.operations.model import Status
from perdure.payments.contracts import KIND
from tests.integration.payments.written import all_written

from .lanes import accept, actions, open_lane
from .test_notifications import messages, until_states
from .town import Town


async def pay(
    town: Town, account: dict[str, str], *, lane: int | None, token: str = "tok_ok"
) -> str:
    """Accept a payment and have it begin; returns its id."""
    payment = await accept(town, account, lane=lane, token=token)
    if lane is None:
        await town.platform.operations.launch(payment)
    else:
        await town.platform.operations.run_lanes(KIND, [lane])
    return payment.id


async def test_a_payment_in_a_lane_charges_once_and_tells_once(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await pay(town, account, lane=0)
    operation = await town.end_of(payment_id)
    assert (operation.status, operation.lane) == (Status.SUCCEEDED, 0)
    assert [charge["status"] for charge in await town.charges(payment_id)] == ["succeeded"]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (9_000, 9_000)
    await until_states(town, payment_id, {"sent"})
    ids = await town.platform.pool.fetch(
        "SELECT id, channel FROM notifications WHERE operation_id = $1", payment_id
    )
    sent = await messages(town.mail, "ada@example.com") + await messages(town.sms, "+15550100")
    for row in ids:
        assert len([message for message in sent if row["id"] in repr(message)]) == 1


async def test_both_gears_write_the_same(town: Town) -> None:
    rows = []
    for lane in (None, 0):
        payment_id = await pay(town, await town.account(), lane=lane)
        await town.end_of(payment_id)
        rows.append(await all_written(town.platform.pool, payment_id, steps=6))
    assert rows[0]["trail"], "nothing was compared"
    assert rows[1] == rows[0]


ENDS = {
    "tok_declined": "card_declined",
    "tok_fails_later": "insufficient_funds",
    "tok_fraud": "fraud_suspected",
    "tok_timeout_after_charge": None,
    "tok_cut_after_charge": None,
}


@pytest.mark.parametrize("token", ENDS)
async def test_what_does_not_go_smoothly_ends_under_its_own_workflow(
    town: Town, token: str
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await pay(town, account, lane=1, token=token)
    operation = await town.end_of(payment_id)
    code = ENDS[token]
    assert (operation.failure.code if operation.failure else None) == code
    assert operation.status == (Status.FAILED if code else Status.SUCCEEDED)
    assert operation.lane is None
    assert "promoted" in await actions(town, payment_id)
    available = 10_000 if code else 9_000
    balance = await town.balance(account)
    assert (balance.available_minor, balance.debits_pending_minor) == (available, 0)
    charged = [one for one in await town.charges(payment_id) if one["status"] == "succeeded"]
    assert len(charged) == (0 if code else 1)


async def test_a_gateway_that_asks_for_time_is_given_it_in_the_lane(town: Town) -> None:
    payment_id = await pay(town, await town.account(), lane=2, token="tok_rate_limited")
    operation = await town.end_of(payment_id)
    assert (operation.status, operation.lane) == (Status.SUCCEEDED, 2)
    assert len(await town.charges(payment_id)) == 1


async def test_funds_that_are_gone_by_now_fail_the_payment_with_the_reason(town: Town) -> None:
    account = await town.account(funds_minor=1_500)
    first, second = [await accept(town, account, lane=3) for _ in range(2)]
    await town.platform.operations.run_lanes(KIND, [3])
    ends = {(await town.end_of(one.id)).status for one in (first, second)}
    assert ends == {Status.SUCCEEDED, Status.FAILED}
    assert (await town.balance(account)).available_minor == 500


async def test_a_payment_nobody_confirms_leaves_the_lane(quiet_town: Town) -> None:
    async with open_lane(quiet_town, confirmation_s=0.2) as lane:
        payment_id = await lane.accept("tok_no_callback")
        stretch = await lane.run()
        assert (stretch.done, stretch.promoted, stretch.is_empty) == (0, 1, True)
        trail = await quiet_town.platform.operations.trail(payment_id)
        [reason] = [entry.reason for entry in trail if entry.action == "promoted"]
        assert reason is not None
        assert "did not confirm within 0.2 s" in reason
        operation = await quiet_town.platform.operations.get(payment_id)
        assert (operation.status, operation.lane) == (Status.WAITING, None)
        assert await quiet_town.platform.engine.run_state(payment_id) == RunState.RUNNING
        assert len(await quiet_town.charges(payment_id)) == 1


async def test_a_cancel_takes_a_payment_out_of_its_lane_and_undoes_it(quiet_town: Town) -> None:
    town = quiet_town
    async with open_lane(town) as lane:
        payment_id = await lane.accept("tok_no_callback")
        running = asyncio.create_task(lane.run())
        await town.until(payment_id, {"waiting"})
        answer = await town.platform.operations.cancel(
            payment_id, actor="ada", reason="Wrong amount."
        )
        assert answer.accepted
        operation = await town.end_of(payment_id)
        assert (operation.status, operation.lane) == (Status.CANCELLED, None)
        # What the lane still had of it ends without a trace.
        stretch = await running
        assert (stretch.done, stretch.promoted) == (0, 0)
        assert (await actions(town, payment_id)).count("promoted") == 1
        left = [
            charge
            for charge in await town.charges(payment_id)
            if charge["status"] == "succeeded" and not charge["refunded_minor"]
        ]
        assert left == []


async def test_payments_that_wait_keep_no_others_from_their_turn(quiet_town: Town) -> None:
    async with open_lane(quiet_town, confirmation_s=12, limits=LaneLimits(at_once=1)) as lane:
        waiting = [await lane.accept("tok_never_confirmed") for _ in range(3)]
        ready = await lane.accept()
        running = asyncio.create_task(lane.run())
        assert (await quiet_town.end_of(ready)).status == Status.SUCCEEDED
        assert ["promoted" in await actions(quiet_town, one) for one in waiting] == [False] * 3
        stretch = await running
        assert (stretch.done, stretch.promoted) == (1, 3)


async def test_as_many_wait_aside_as_may(quiet_town: Town) -> None:
    limits = LaneLimits(at_once=1, aside_max=1)
    async with open_lane(quiet_town, confirmation_s=0.5, limits=limits) as lane:
        for _ in range(4):
            await lane.accept("tok_never_confirmed")
        running = asyncio.create_task(lane.run())
        most = 0
        while not running.done():
            rows = await quiet_town.platform.pool.fetchval(
                "SELECT count(*) FROM operations WHERE lane = $1 AND status = 'waiting'",
                lane.number,
            )
            most = max(most, rows)
            await asyncio.sleep(0.02)
        assert most == 2
        assert (await running).promoted == 4
