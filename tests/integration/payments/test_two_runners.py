"""Two runners of one payment, whatever each believes: one end, and the money says the same."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from perdure.capability.contracts import Failure
from perdure.core.errors import Conflict
from perdure.operations.model import Status
from perdure.operations.steps import from_json
from perdure.payments.contracts import (
    ChargeOutcome,
    ClosePayment,
    HoldFunds,
    PaymentInput,
    SettlePayment,
)
from perdure.payments.process import CHARGE, CLOSE, HOLD, SETTLE, UNDO_CHARGE

from .town import Town
from .work import PaymentWork, open_work

FAILURE = Failure("not_confirmed", "It was not confirmed.")


class Runner:
    """Somebody else who runs a payment's steps, besides its workflow."""

    def __init__(self, town: Town, work: PaymentWork) -> None:
        self.town = town
        self.do = work.do

    async def input_of(self, payment_id: str) -> PaymentInput:
        operation = await self.town.platform.operations.get(payment_id)
        return from_json(PaymentInput, operation.input)


@pytest.fixture
async def runner(town: Town) -> AsyncIterator[Runner]:
    async with open_work(town) as work:
        yield Runner(town, work)


async def refunds(town: Town, payment_id: str) -> int:
    found = await town.gateway.get("/v1/refunds", params={"reference": f"{payment_id}:refund"})
    return len(found.json()["data"])


async def test_a_runner_that_wants_to_undo_a_success_undoes_nothing(
    town: Town, runner: Runner
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account)
    await town.end_of(payment_id)
    payment = await runner.input_of(payment_id)
    assert (await runner.do(UNDO_CHARGE, payment)).charge is None
    end = await runner.do(CLOSE, ClosePayment(payment, FAILURE))
    assert end.status == "succeeded"
    assert await refunds(town, payment_id) == 0
    assert (await town.balance(account)).posted_minor == 9_000


async def test_a_runner_that_settles_otherwise_is_told_the_end_there_is(
    town: Town, runner: Runner
) -> None:
    payment_id = await town.pay(await town.account())
    await town.end_of(payment_id)
    other = SettlePayment(await runner.input_of(payment_id), ChargeOutcome("ch_x", "succeeded"))
    assert (await runner.do(SETTLE, other)).status == "succeeded"
    assert await refunds(town, payment_id) == 0


async def test_a_runner_that_comes_after_the_end_is_told_the_messages_it_owes(
    town: Town, runner: Runner
) -> None:
    payment_id = await town.pay(await town.account(), payer={"email": "ada@example.com"})
    await town.end_of(payment_id)
    owed = await town.platform.pool.fetch(
        "SELECT id FROM notifications WHERE operation_id = $1", payment_id
    )
    end = await runner.do(CLOSE, ClosePayment(await runner.input_of(payment_id), FAILURE))
    assert owed
    assert sorted(end.notification_ids) == sorted(row["id"] for row in owed)


async def test_an_undoing_whose_answer_was_lost_is_known_in_the_end(
    town: Town, runner: Runner
) -> None:
    payment_id = await town.pay(await town.account(), token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    await town.collected(payment_id)
    payment = await runner.input_of(payment_id)
    await runner.do(UNDO_CHARGE, payment)
    await town.platform.pool.execute(
        "UPDATE provider_calls SET state = 'intended', answer = NULL, lease_until = now()"
        " WHERE reference = $1",
        f"{payment_id}:refund",
    )
    await runner.do(UNDO_CHARGE, payment)
    assert await state_of_refund(town, payment_id) == "answered"
    assert await refunds(town, payment_id) == 1


async def test_what_was_given_back_otherwise_leaves_no_call_unknown(
    town: Town, runner: Runner
) -> None:
    payment_id = await town.pay(await town.account(), token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    await town.collected(payment_id)
    # One that never reached the gateway, where somebody refunds at the desk meanwhile.
    await town.platform.pool.execute(
        "INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until)"
        " VALUES ($1, 'refund', 'gateway', $2, 'unknown', now())",
        payment_id,
        f"{payment_id}:refund",
    )
    refunded = await town.gateway.post(f"/control/charges/{payment_id}/refund", json={})
    refunded.raise_for_status()
    await runner.do(UNDO_CHARGE, await runner.input_of(payment_id))
    assert await state_of_refund(town, payment_id) == "not_made"
    assert await refunds(town, payment_id) == 0


async def state_of_refund(town: Town, payment_id: str) -> str:
    state: str = await town.platform.pool.fetchval(
        "SELECT state FROM provider_calls WHERE reference = $1", f"{payment_id}:refund"
    )
    return state


async def test_nothing_is_settled_while_another_runner_undoes(town: Town, runner: Runner) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    payment = await runner.input_of(payment_id)
    await runner.do(UNDO_CHARGE, payment)
    with pytest.raises(Conflict) as caught:
        await runner.do(SETTLE, SettlePayment(payment, ChargeOutcome("ch_x", "succeeded")))
    assert caught.value.code == "operation_reversing"
    # Its workflow, which knows nothing of this, comes to the same end.
    assert (await town.end_of(payment_id)).status == Status.FAILED
    assert (await town.balance(account)).available_minor == 10_000
    left = [
        charge
        for charge in await town.charges(payment_id)
        if charge["status"] == "succeeded" and not charge["refunded_minor"]
    ]
    assert left == []


async def test_many_runners_of_every_step_at_once_have_the_effect_of_one(
    town: Town, runner: Runner
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    payment = await runner.input_of(payment_id)

    async def run_all() -> None:
        await runner.do(HOLD, HoldFunds(payment, payment.options.daily_limit_minor))
        charge = await runner.do(CHARGE, payment)
        await runner.do(SETTLE, SettlePayment(payment, charge))

    await asyncio.gather(*(run_all() for _ in range(8)), return_exceptions=True)
    operation = await town.end_of(payment_id)
    charges = await town.charges(payment_id)
    assert len(charges) == 1
    moved = 1_000 if operation.status == Status.SUCCEEDED else 0
    assert (await town.balance(account)).posted_minor == 10_000 - moved
    assert (await town.balance(account)).debits_pending_minor == 0
