"""Ways a payment can go that are not those of every kind (`test_contract`)."""

import asyncio

import pytest

from perdure.operations.model import Status
from perdure.payments.contracts import GATEWAY
from tests.outages import others_get_through

from .town import Town

SUCCEEDS = [
    "tok_flaky",
    "tok_rate_limited",
    "tok_slow",
    "tok_callback_before_response",
    "tok_no_callback",
    "tok_duplicate_callback",
    "tok_late_callback",
    "tok_fraud_slow",
    "tok_fraud_flaky",
]

FAILS = {
    "tok_fails_later": "insufficient_funds",
    "tok_never_confirmed": "not_confirmed",
    "tok_down": "gateway_unavailable",
    "tok_fraud": "fraud_suspected",
    "tok_unheard_of": "invalid_payment_method",
}


@pytest.mark.parametrize("token", SUCCEEDS)
async def test_the_money_moves_once_br3_br4_e3(town: Town, token: str) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, amount_minor=1_000, token=token)
    operation = await town.end_of(payment_id)
    assert (operation.status, operation.failure) == (Status.SUCCEEDED, None)
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (9_000, 9_000)
    assert balance.debits_pending_minor == 0
    charges = await town.charges(payment_id)
    assert [charge["status"] for charge in charges] == ["succeeded"]


@pytest.mark.parametrize("token", FAILS)
async def test_a_failure_gives_everything_back_br3_e3(town: Town, token: str) -> None:
    account = await town.account(funds_minor=10_000)
    payment_id = await town.pay(account, amount_minor=1_000, token=token)
    async with others_get_through(town.platform.pool, GATEWAY, "charge"):
        operation = await town.end_of(payment_id)
    assert operation.status == Status.FAILED
    assert operation.failure is not None
    assert operation.failure.code == FAILS[token]
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (10_000, 10_000)
    charges = await town.charges(payment_id)
    assert all(charge["status"] in ("failed", "cancelled") for charge in charges)


async def test_an_unknown_outcome_shows_as_unknown_while_it_is_found_out(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_timeout_after_charge")
    await town.end_of(payment_id)
    assert await town.statuses(payment_id) == [
        Status.PENDING,
        Status.PROCESSING,
        Status.UNKNOWN,
        Status.WAITING,
        Status.SUCCEEDED,
    ]
    charges = [step for step in await town.steps(payment_id) if step.startswith("charge:")]
    assert charges == ["charge:unknown", "charge:succeeded"]


async def test_payments_beyond_the_balance_are_refused_one_by_one_br2(town: Town) -> None:
    account = await town.account(funds_minor=2_500)
    payments = [await _try_to_pay(town, account) for _ in range(4)]
    ends = [await town.end_of(payment_id) for payment_id in payments if payment_id]
    succeeded = [end for end in ends if end.status == Status.SUCCEEDED]
    assert len(succeeded) == 2
    assert (await town.balance(account)).available_minor == 500


async def test_payments_racing_for_one_balance_never_overdraw_it(town: Town) -> None:
    account = await town.account(funds_minor=5_000)
    payments = await asyncio.gather(*(_try_to_pay(town, account) for _ in range(12)))
    ends = [await town.end_of(payment_id) for payment_id in payments if payment_id]
    succeeded = [end for end in ends if end.status == Status.SUCCEEDED]
    refused = [end for end in ends if end.status == Status.FAILED]
    assert len(succeeded) == 5
    assert all(end.failure and end.failure.code == "insufficient_funds" for end in refused)
    assert (await town.balance(account)).available_minor == 0


async def _try_to_pay(town: Town, account: dict[str, str]) -> str | None:
    body = {**account, "amount_minor": 1_000, "payment_method": "tok_ok"}
    response = await town.api.post("/v1/payments", json=body)
    if response.status_code == 402:
        assert response.json()["error"]["code"] == "insufficient_funds"
        return None
    assert response.status_code == 201, response.text
    return str(response.json()["id"])
