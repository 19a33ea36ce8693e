"""A gateway or a scorer that answers something else than it was asked: no success, a way out."""

import pytest

from perdure.operations.model import Operation

from .town import Town

LIES = {
    "tok_other_amount": ("provider_disagrees", "amount_minor 100000 instead of 1000"),
    "tok_other_currency": ("provider_disagrees", "currency 'JPY' instead of 'USD'"),
    "tok_other_reference": ("provider_disagrees", "-other' instead of"),
    "tok_unknown_status": ("provider_status_unknown", "status 'requires_action', which is none of"),
    "tok_fraud_review": (
        "provider_status_unknown",
        "verdict 'review', which is none of fail, pass",
    ),
    "tok_fraud_other_reference": ("provider_disagrees", "-other' instead of"),
}


async def parked(town: Town, payment_id: str) -> Operation:
    return await town.until(payment_id, {"needs_attention", "succeeded", "failed"})


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("token", LIES)
async def test_an_answer_that_differs_parks_the_payment_with_both_values(
    town: Town, token: str, bulk: bool
) -> None:
    account = await town.account(funds_minor=5_000)
    payment_id = await town.pay(account, token=token, bulk=bulk)
    operation = await parked(town, payment_id)
    code, shown = LIES[token]
    assert operation.failure is not None
    assert (operation.status, operation.failure.code) == ("needs_attention", code)
    assert shown in operation.failure.message
    assert (await town.balance(account)).available_minor == 4_000
    if token == "tok_other_reference":
        # It is not found under ours, and not charged again.
        assert len(await town.charges(f"{payment_id}-other")) == 1
        assert await town.charges(payment_id) == []
        return
    answer = await town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": "Not so."})
    assert answer.is_success
    assert (await town.end_of(payment_id)).status == "cancelled"
    assert (await town.balance(account)).available_minor == 5_000
    for charge in await town.charges(payment_id):
        assert charge["status"] == "cancelled" or charge["refunded_minor"] == charge["amount_minor"]


async def test_a_charge_whose_key_is_in_use_is_found_and_made_once(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_in_use")
    assert (await town.end_of(payment_id)).status == "succeeded"
    assert [charge["status"] for charge in await town.charges(payment_id)] == ["succeeded"]


@pytest.mark.parametrize(
    "kind", ["other_amount", "other_currency", "other_reference", "unknown_status"]
)
@pytest.mark.parametrize("token", ["tok_ok", "tok_never_confirmed"])
async def test_a_gateway_whose_books_are_right_is_asked(town: Town, token: str, kind: str) -> None:
    faults = {"rate": 1, "kinds": [kind]}
    (await town.gateway.put("/control/faults", json=faults)).raise_for_status()
    try:
        payment_id = await town.pay(await town.account(), token=token)
        operation = await town.end_of(payment_id)
    finally:
        (await town.gateway.put("/control/faults", json={"rate": 0})).raise_for_status()
    assert operation.status == ("succeeded" if token == "tok_ok" else "failed")
    assert len(await town.charges(payment_id)) == 1
