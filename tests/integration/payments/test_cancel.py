"""Cancelling a payment, at each point of its way (BR-9, FR-9)."""

import pytest

from perdure.durable.scope import CancelCall, CancelDecision
from perdure.operations.model import Status

from .town import Town


async def cancel(town: Town, payment_id: str, reason: str = "Wrong amount.") -> dict[str, object]:
    response = await town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": reason})
    return {"status_code": response.status_code, **response.json()}


async def test_a_payment_that_waits_for_the_gateway_is_refunded_and_cancelled_br9(
    town: Town,
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    answer = await cancel(town, payment_id)
    assert answer["status_code"] == 200
    operation = await town.end_of(payment_id)
    assert operation.status == Status.CANCELLED
    assert operation.failure is not None
    assert operation.failure.message == "Wrong amount."
    assert (await town.balance(account)).available_minor == 10_000
    [charge] = await town.charges(payment_id)
    taken_back = charge["status"] == "cancelled" or charge["refunded_minor"] == 1_000
    assert taken_back, charge


async def test_a_charge_the_gateway_has_collected_is_refunded_once_br9(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    await town.collected(payment_id)
    await cancel(town, payment_id)
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    refunds = (
        await town.gateway.get("/v1/refunds", params={"reference": f"{payment_id}:refund"})
    ).json()["data"]
    assert [refund["amount_minor"] for refund in refunds] == [1_000]
    assert Status.REVERSING in await town.statuses(payment_id)
    steps = await town.steps(payment_id)
    assert steps[-3:] == ["undo_charge:succeeded", "refund:succeeded", "close:succeeded"]


@pytest.mark.parametrize(("by_hand_minor", "ours"), [(400, [600]), (1_000, [])])
async def test_what_was_given_back_at_the_gateways_desk_is_not_given_back_twice(
    town: Town, by_hand_minor: int, ours: list[int]
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    await town.collected(payment_id)
    path = f"/control/charges/{payment_id}/refund"
    (await town.gateway.post(path, json={"amount_minor": by_hand_minor})).raise_for_status()
    await cancel(town, payment_id)
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    refunds = (
        await town.gateway.get("/v1/refunds", params={"reference": f"{payment_id}:refund"})
    ).json()["data"]
    assert [refund["amount_minor"] for refund in refunds] == ours
    assert [one["refunded_minor"] for one in await town.charges(payment_id)] == [1_000]
    assert (await town.balance(account)).available_minor == 10_000


async def test_a_payment_that_succeeded_is_not_cancelled_and_the_reason_is_given_br9(
    town: Town,
) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account)
    await town.end_of(payment_id)
    answer = await cancel(town, payment_id)
    assert answer["status_code"] == 409
    assert "succeeded" in str(answer["error"])
    assert (await town.balance(account)).available_minor == 9_000


async def test_cancelling_twice_is_answered_the_same_and_done_once_br9(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    first, second = await cancel(town, payment_id), await cancel(town, payment_id, "Again.")
    assert first["status_code"] == second["status_code"] == 200
    operation = await town.end_of(payment_id)
    assert operation.failure is not None
    assert operation.failure.message == "Wrong amount."
    assert (await cancel(town, payment_id))["status_code"] == 200


async def test_the_workflow_itself_answers_a_cancel_with_yes_or_no_br9_fr9(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    waiting = await town.pay(account, token="tok_no_callback")
    await town.until(waiting, {"waiting"})
    handle = town.platform.client.get_workflow_handle(waiting)
    decision = await handle.execute_update(
        "cancel", CancelCall("ada", "By hand."), result_type=CancelDecision
    )
    assert decision.accepted
    operation = await town.end_of(waiting)
    assert operation.status == Status.CANCELLED
    assert operation.cancel_request is not None
    assert operation.cancel_request.actor == "ada"


async def test_a_cancel_in_the_web_ui_is_a_cancel_of_the_payment(town: Town) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, token="tok_no_callback")
    await town.until(payment_id, {"waiting"})
    await town.platform.client.get_workflow_handle(payment_id).cancel()
    operation = await town.end_of(payment_id)
    assert operation.status == Status.CANCELLED
    assert operation.cancel_request is not None
    assert operation.cancel_request.actor == "temporal"
    assert (await town.balance(account)).available_minor == 10_000
