"""Parking: an operation is held before its next step, in either gear, and goes on from there."""

import pytest

from perdure.core.errors import Conflict
from perdure.operations.model import Status
from perdure.payments import contracts
from perdure.transfers.contracts import PAY_OUT
from tests.integration.payments.town import Town
from tests.integration.transfers.transfers import bank_misbehaves, payouts

from .operators import (
    ADA,
    BOB,
    accepted_payment,
    accepted_transfer,
    check_paid_once,
    told,
    until_stopped_at,
    waiting_payment,
)


async def test_a_waiting_payment_is_held_before_its_next_step_and_released(town: Town) -> None:
    account = await town.account()
    payment_id = await waiting_payment(town, account)
    actions = town.platform.operations.actions
    parked = await actions.park(payment_id, ADA)
    assert parked.status == Status.NEEDS_ATTENTION
    assert parked.failure is not None
    assert parked.failure.code == "parked_by_operator"
    # Its wait for the gateway ends, and what would come next is not begun.
    await until_stopped_at(town, payment_id, contracts.CONFIRM_CHARGE)
    released = await actions.release(payment_id, BOB)
    assert (released.failure, released.park_request) == (None, None)
    await check_paid_once(town, payment_id, account)
    trail = [
        (entry.actor, entry.action) for entry in await town.platform.operations.trail(payment_id)
    ]
    assert trail.index(("ada", "parked")) < trail.index(("bob", "released"))
    assert "workflow_resumed" in await told(town, payment_id)


async def test_a_provider_is_not_called_while_its_operation_is_held(town: Town) -> None:
    account = await town.account()
    actions = town.platform.operations.actions
    async with bank_misbehaves(town, "unavailable_before"):
        transfer_id = (await accepted_transfer(town, account)).id
        await town.platform.operations.begin(await town.platform.operations.get(transfer_id))
        await town.until(transfer_id, {"unknown"})
        await actions.park(transfer_id, ADA)
    # The bank is well again; the next try meets what holds the transfer, and does not fail it.
    await until_stopped_at(town, transfer_id, PAY_OUT)
    assert await payouts(town, transfer_id) == []
    await actions.release(transfer_id, ADA)
    assert (await town.end_of(transfer_id)).status == Status.SUCCEEDED
    assert await payouts(town, transfer_id) == ["paid"]


async def test_a_payment_in_a_lane_leaves_it_and_is_held(town: Town) -> None:
    account = await town.account()
    operation = await accepted_payment(town, account, lane=0, token="tok_no_callback")
    await town.platform.operations.begin(operation)
    await town.until(operation.id, {"waiting"})
    actions = town.platform.operations.actions
    parked = await actions.park(operation.id, ADA)
    assert (parked.lane, parked.status) == (None, Status.NEEDS_ATTENTION)
    await actions.release(operation.id, ADA)
    await check_paid_once(town, operation.id, account)
    done = await told(town, operation.id)
    assert done.count("promoted") == 1
    assert "workflow_started" in done


async def test_what_was_parked_before_it_began_begins_when_released(town: Town) -> None:
    account = await town.account()
    operation = await accepted_payment(town, account)
    actions = town.platform.operations.actions
    await actions.park(operation.id, ADA)
    released = await actions.release(operation.id, ADA)
    assert released.workflow_started_at is not None
    await check_paid_once(town, operation.id, account)


async def test_what_is_held_can_be_cancelled(town: Town) -> None:
    account = await town.account()
    payment_id = await waiting_payment(town, account)
    actions = town.platform.operations.actions
    await actions.park(payment_id, ADA)
    await actions.cancel(payment_id, BOB)
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    assert (await town.balance(account)).available_minor == 100_000


async def test_the_second_operator_is_told_what_the_first_did(town: Town) -> None:
    payment_id = await waiting_payment(town, await town.account())
    actions = town.platform.operations.actions
    with pytest.raises(Conflict, match="not parked"):
        await actions.release(payment_id, ADA)
    await actions.park(payment_id, ADA)
    with pytest.raises(Conflict, match="ada has parked it already"):
        await actions.park(payment_id, BOB)
    await actions.cancel(payment_id, ADA)
    await town.end_of(payment_id)
    with pytest.raises(Conflict, match="already cancelled"):
        await actions.release(payment_id, BOB)
    with pytest.raises(Conflict, match="already cancelled"):
        await actions.park(payment_id, BOB)
    refused = [action for action in await told(town, payment_id) if "refused" in action]
    assert refused == ["release_refused", "park_refused", "release_refused", "park_refused"]
