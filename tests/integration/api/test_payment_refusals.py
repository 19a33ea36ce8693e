"""Payments that are refused, each with a stable code, and without a trace."""

import pytest

from .api_client import Api, Json, created, ok, refused


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"amount_minor": 0}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": -1}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 10.5}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 10.0}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": "10"}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": True}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 2**63}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 10**30}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 1_000_001}, 402, "amount_over_limit", "amount_minor"),
        ({"amount_minor": 5001}, 402, "insufficient_funds", "amount_minor"),
        ({"currency": "XYZ"}, 400, "unknown_currency", "currency"),
        ({"currency": "usd"}, 400, "unknown_currency", "currency"),
        ({"currency": "EUR"}, 400, "currency_mismatch", "currency"),
        ({"account_id": "nonsense"}, 400, "invalid_id", "account_id"),
        (
            {"account_id": "acc_01h455vb4pex5vsknk084sn02q"},
            404,
            "account_not_found",
            "account_id",
        ),
        ({"customer_id": "cus_somebody_else"}, 404, "account_not_found", "account_id"),
        ({"customer_id": " "}, 400, "invalid_input", "customer_id"),
        ({"payee": {"email": "nobody"}}, 400, "invalid_input", "payee.email"),
        ({"payer": {"phone": "0123"}}, 400, "invalid_input", "payer.phone"),
        ({"description": "a\x00b"}, 400, "invalid_input", "description"),
        ({"metadata": {"a": {"b": "c"}}}, 400, "invalid_input", "metadata.a"),
        ({"amount": 10}, 400, "unknown_field", "amount"),
    ],
)
async def test_a_payment_is_refused(
    api: Api, change: Json, status: int, code: str, param: str
) -> None:
    wallet = await api.new_wallet(5000)
    assert refused(await api.pay(wallet, **change), status, code, param)
    assert await api.payments_of(wallet) == []
    balance = ok(await api.get(f"/v1/accounts/{wallet.account_id}/balance"))
    assert balance["available_minor"] == 5000


async def test_the_largest_amounts_are_the_edge(api: Api) -> None:
    wallet = await api.new_wallet(1_000_000)
    created(await api.pay(wallet, amount_minor=1_000_000))
    created(await api.pay(wallet, amount_minor=1))


async def test_the_same_refusal_costs_nothing_twice(api: Api) -> None:
    wallet = await api.new_wallet()
    first = await api.pay(wallet)
    refused(first, 402, "insufficient_funds", "amount_minor")
    refused(await api.pay(wallet), 402, "insufficient_funds", "amount_minor")
