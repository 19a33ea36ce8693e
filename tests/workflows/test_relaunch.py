"""Relaunching: what got stuck goes on, what failed is done again, once."""

import asyncio

import pytest

from perdure.core.errors import Conflict, InsufficientFunds, InvalidInput
from perdure.operations.actions import Relaunched
from perdure.operations.also import Also
from perdure.operations.model import By, Status
from perdure.storage.pool import Connection
from tests.integration.payments.town import Town

from .operators import (
    ADA,
    BOB,
    accepted_payment,
    check_paid_once,
    terminated_payment,
    told,
    waiting_payment,
    was_reset,
)


async def test_a_terminated_workflow_is_reset_to_before_its_last_activity_r7(town: Town) -> None:
    account = await town.account()
    payment_id = await terminated_payment(town, account)
    done = await town.platform.operations.actions.relaunch(payment_id, ADA)
    assert (done.is_new, done.operation.id) == (False, payment_id)
    assert await was_reset(town, payment_id)
    await check_paid_once(town, payment_id, account)
    trail = await town.platform.operations.trail(payment_id)
    [entry] = [entry for entry in trail if entry.action == "relaunched"]
    assert (entry.actor, entry.reason) == ("ada", "Looked into it.")
    assert "workflow_reset" in [entry.action for entry in trail]
    # The charge was the last activity: it was found done, not made again.
    assert (await town.steps(payment_id)).count("hold_funds:succeeded") == 1


async def test_two_operators_at_once_take_turns_and_the_second_is_told(town: Town) -> None:
    account = await town.account()
    payment_id = await terminated_payment(town, account)
    actions = town.platform.operations.actions
    answers = await asyncio.gather(
        actions.relaunch(payment_id, ADA), actions.relaunch(payment_id, BOB), return_exceptions=True
    )
    [refused] = [answer for answer in answers if isinstance(answer, Conflict)]
    assert refused.code == "not_relaunchable"
    assert "goes on by itself" in refused.message
    await check_paid_once(town, payment_id, account)
    assert (await told(town, payment_id)).count("relaunched") == 1
    assert (await told(town, payment_id)).count("relaunch_refused") == 1


async def failed_payment(town: Town, account: dict[str, str], reference: str) -> str:
    # Refused by the gateway, so its money is free again.
    operation = await accepted_payment(town, account, token="tok_declined", reference=reference)
    await town.platform.operations.begin(operation)
    assert (await town.end_of(operation.id)).status == Status.FAILED
    return operation.id


async def test_what_failed_is_done_again_as_a_new_operation_once_r7(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    failed = await failed_payment(town, account, "rent")
    actions = town.platform.operations.actions
    answers = await asyncio.gather(
        *(actions.relaunch(failed, by) for by in (ADA, BOB)), return_exceptions=True
    )
    [new] = [answer.operation for answer in answers if isinstance(answer, Relaunched)]
    [refused] = [answer for answer in answers if isinstance(answer, Conflict)]
    assert refused.code == "already_relaunched"
    assert new.id in refused.message
    old = await town.platform.operations.get(failed)
    assert (old.relaunched_as, old.status, old.reference) == (new.id, Status.FAILED, "rent")
    assert (new.relaunch_of, new.reference, new.kind) == (failed, "rent", "payment")
    assert new.input["request"] == old.input["request"]
    # The card is still declined; and the new one can be relaunched in its turn.
    assert (await town.end_of(new.id)).status == Status.FAILED
    third = (await actions.relaunch(new.id, ADA)).operation
    row = await town.platform.operations.get(new.id)
    assert (row.relaunch_of, row.relaunched_as) == (failed, third.id)
    await town.end_of(third.id)


async def test_what_was_cancelled_is_relaunched_in_a_lane(town: Town) -> None:
    account = await town.account()
    operation = await accepted_payment(town, account)
    actions = town.platform.operations.actions
    await actions.cancel(operation.id, ADA)
    await town.end_of(operation.id)
    done = await actions.relaunch(operation.id, ADA, lane=1)
    assert done.is_new
    await check_paid_once(town, done.operation.id, account)
    assert (await town.platform.operations.get(done.operation.id)).lane == 1


async def test_a_relaunch_that_is_not_accepted_changes_nothing_but_the_trail(town: Town) -> None:
    account = await town.account(funds_minor=1_000)
    failed = await failed_payment(town, account, "rent")
    await town.end_of(await town.pay(account))
    with pytest.raises(InsufficientFunds):
        await town.platform.operations.actions.relaunch(failed, ADA)
    assert (await town.platform.operations.get(failed)).relaunched_as is None
    last = (await town.platform.operations.trail(failed))[-1]
    assert (last.action, last.actor) == ("relaunch_refused", "ada")
    assert last.reason is not None
    assert "available" in last.reason


async def test_what_goes_on_or_has_succeeded_is_not_relaunched(town: Town) -> None:
    account = await town.account()
    actions = town.platform.operations.actions
    payment_id = await waiting_payment(town, account)
    for told_so in ("goes on by itself", "has succeeded"):
        with pytest.raises(Conflict, match=told_so):
            await actions.relaunch(payment_id, ADA)
        assert (await told(town, payment_id))[-1] == "relaunch_refused"
        await town.end_of(payment_id)
    with pytest.raises(InvalidInput):
        await actions.relaunch(payment_id, By("ada", ""))


async def test_an_action_and_what_a_bulk_keeps_of_it_are_one_commit(town: Town) -> None:
    payment_id = await waiting_payment(town, await town.account())
    actions = town.platform.operations.actions

    async def breaks(connection: Connection, _done: object) -> None:
        await connection.execute("SELECT 1")
        raise ZeroDivisionError

    by = By("ada", "All of this customer's.", bulk_id="blk_1")
    with pytest.raises(ZeroDivisionError):
        await actions.park(payment_id, by, also=Also(after=breaks))
    assert (await town.platform.operations.get(payment_id)).park_request is None
    kept: list[int] = []

    async def keeps(connection: Connection, _done: object) -> None:
        kept.append(
            await connection.fetchval("SELECT count(*) FROM operations WHERE id = $1", payment_id)
        )

    await actions.park(payment_id, by, also=Also(after=keeps))
    assert kept == [1]
    [entry] = [
        entry
        for entry in await town.platform.operations.trail(payment_id)
        if entry.action == "parked" and entry.actor == "ada"
    ]
    assert entry.data == {"bulk_id": "blk_1"}
    await actions.cancel(payment_id, by)
    await town.end_of(payment_id)
