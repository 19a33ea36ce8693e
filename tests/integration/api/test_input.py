"""What comes in: one rule for text, people, numbers and dates, at every route."""

import json
from typing import Any

import httpx
import pytest

from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.storage.pool import Pool

from .api_client import Api, Json, created, ok, payment_body, refused
from .conftest import api_on

WELCOME = "山田\u3000太郎\u00a0👩\u200d💻 exam\u00adple"
TOO_LATE, TOO_EARLY = "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"


async def test_text_of_any_kind_is_kept_as_it_is(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    payee = {"name": WELCOME, "email": None, "phone": None}
    fields = {"description": WELCOME, "payee": payee, "metadata": {WELCOME: WELCOME}}
    payment = created(await api.pay(wallet, **fields))
    assert {name: payment[name] for name in fields} == fields


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x7f", "\x85", "\ud800"], ids=ascii)
async def test_control_characters_and_surrogates_are_refused_everywhere(
    api: Api, character: str
) -> None:
    async def send(method: str, path: str, body: Json) -> httpx.Response:
        headers = api.headers() | {"Content-Type": "application/json"}
        # In ASCII, as only so a surrogate can come in.
        return await api.http.request(method, path, content=json.dumps(body), headers=headers)

    wallet, bad = await api.new_wallet(5000), f"a{character}b"
    body, reason = payment_body(wallet), {"reason": "r"}
    query: Json = {"action": "park", "reason": "r", "dry_run": True}
    for path, content, param in (
        ("/v1/payments", body | {"customer_id": bad}, "customer_id"),
        ("/v1/payments", body | {"payee": {"name": bad}}, "payee.name"),
        ("/v1/payments", body | {"reference": bad}, "reference"),
        ("/v1/payments", body | {"metadata": {"a": bad}}, "metadata.a"),
        ("/v1/accounts", {"customer_id": "c", "currency": "USD", "name": bad}, "name"),
        ("/v1/operations/pay_x/cancel", {"reason": bad}, "reason"),
        ("/v1/bulks", query | {"query": {"customer_id": bad}}, "query.customer_id"),
        ("/v1/bulks", query | {"ids": [bad]}, "ids.0"),
        (
            "/v1/bulks",
            query | {"action": "correct", "ids": ["x"], "patch": {"payee": {"name": [bad]}}},
            "patch",
        ),
        ("/v1/limits/gateway/remove", {"reason": bad}, "reason"),
    ):
        refused(await send("POST", path, content), 400, "invalid_input", param)
    flag = {"variants": ["a"], "default_variant": "a", "version": 0, **reason}
    rule = {"rules": [{"variant": "a", "customers": [bad]}]}
    answer = await send("PUT", "/v1/flags/input", flag | rule)
    refused(answer, 400, "invalid_input", "rules.0.customers.0")


async def test_a_customer_and_a_reference_in_two_forms_are_one(api: Api, pool: Pool) -> None:
    typed, kept = " Zoe\u0308\u3000", "Zoë"
    opened = {"customer_id": typed, "currency": "USD", "name": "Wallet"}
    account = created(await api.post("/v1/accounts", opened))
    assert account["customer_id"] == kept
    deposit = {"amount_minor": 5000, "currency": "USD", "reference": typed}
    path = f"/v1/accounts/{account['id']}/deposits"
    paid_in = [
        created(await api.post(path, deposit | {"reference": form})) for form in (typed, kept)
    ]
    assert paid_in[0]["id"] == paid_in[1]["id"]
    body = {"account_id": account["id"], "amount_minor": 10, "currency": "USD"}
    body |= {"payment_method": "pm", "payee": {"email": "ada@Exämple.com"}}
    _, secret = await create_key(pool, "zoe", [ADMIN], "Zoe\u0308 ")
    payments = [
        created(
            await api.as_key(secret).post(
                "/v1/payments", body | {"customer_id": customer, "reference": reference}
            )
        )
        for customer, reference in ((typed, "Re\u0301f "), (kept, "Réf"), ("Zoe\u0308", "Réf"))
    ]
    assert {payment["id"] for payment in payments} == {payments[0]["id"]}
    assert (payments[0]["customer_id"], payments[0]["reference"]) == (kept, "Réf")
    assert payments[0]["payee"]["email"] == "ada@xn--exmple-cua.com"
    for filters in ({"customer_id": typed}, {"reference": " Re\u0301f", "customer_id": kept}):
        found = ok(await api.get("/v1/payments", **filters))["data"]
        assert [payment["id"] for payment in found] == [payments[0]["id"]]


@pytest.mark.parametrize(
    ("path", "content", "param"),
    [
        ("/v1/payments", {"deadline": TOO_LATE}, "deadline"),
        ("/v1/payments", {"deadline": 4102444800}, "deadline"),
        ("/v1/payments", {"deadline": "2030-01-31T12:00:00"}, "deadline"),
        ("/v1/payments", {"payee": {"email": "a,b@example.com"}}, "payee.email"),
        ("/v1/payments", {"payee": {"email": "adä@example.com"}}, "payee.email"),
        ("/v1/payments", {"payer": {"phone": "+٣٣١٢٣٤"}}, "payer.phone"),
        ("/v1/payments", {"payer": {"phone": "+0"}}, "payer.phone"),
        ("/v1/payments", {"payer": {"phone": "+" + "1" * 200}}, "payer.phone"),
        ("/v1/bulks", {"query": {"created_after": TOO_EARLY}}, "query.created_after"),
        ("/v1/bulks", {"query": {"updated_before": TOO_LATE}}, "query.updated_before"),
        ("/v1/flags/x", {"version": 3_000_000_000}, "version"),
        ("/v1/flags/x", {"version": -1}, "version"),
    ],
)
async def test_what_no_column_holds_and_no_message_reaches_is_refused(
    api: Api, path: str, content: Json, param: str
) -> None:
    wallet = await api.new_wallet(5000)
    bodies: dict[str, Any] = {
        "/v1/payments": payment_body(wallet),
        "/v1/bulks": {"action": "park", "reason": "r", "dry_run": True},
        "/v1/flags/x": {"variants": ["a"], "default_variant": "a", "version": 0, "reason": "r"},
    }
    send = api.put if path.startswith("/v1/flags") else api.post
    refused(await send(path, bodies[path] | content), 400, "invalid_input", param)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/flags/renewals-engine/changes", {"starting_after": 3_000_000_000}),
        ("/v1/flags/renewals-engine/changes", {"starting_after": 10**30}),
        ("/v1/bulks/blk_x/items", {"starting_after": 2**31}),
        ("/v1/payments", {"limit": 101}),
        ("/v1/payments", {"limit": 10**30}),
        ("/v1/accounts", {"limit": 0}),
        ("/v1/operations", {"starting_after": "a\0b"}),
    ],
)
async def test_a_cursor_or_a_limit_beyond_what_there_is_is_refused(
    api: Api, path: str, query: Json
) -> None:
    (param,) = query
    refused(await api.get(path, **query), 400, "invalid_input", param)


async def test_a_limit_is_per_currency(
    settings: Settings, platform: Platform, admin_secret: str
) -> None:
    """By default 10,000 of any currency's units; a table says otherwise."""
    changed = settings.model_copy(
        update={
            "payment_amount_minor_max_by_currency": {"KRW": 2_000_000},
            "transfer_amount_minor_max_by_currency": {"KRW": 3_000_000},
        }
    )
    limited = compose(changed, platform.pool, platform.client)
    async with api_on(limited, admin_secret) as api:
        for currency, payment_max, transfer_max in (
            ("USD", 1_000_000, 1_000_000),
            ("JPY", 10_000, 10_000),
            ("KWD", 10_000_000, 10_000_000),
            ("KRW", 2_000_000, 3_000_000),
        ):
            wallet = await api.new_wallet(100_000_000, currency)
            body = payment_body(wallet) | {"currency": currency}
            transfer = body | {"destination": "DE89370400440532013000"}
            for name in ("payment_method", "payee"):
                del transfer[name]
            for path, content, most in (
                ("/v1/payments", body, payment_max),
                ("/v1/transfers", transfer, transfer_max),
            ):
                created(await api.post(path, content | {"amount_minor": most}))
                answer = await api.post(path, content | {"amount_minor": most + 1})
                refused(answer, 402, "amount_over_limit", "amount_minor")


async def test_what_was_accepted_is_answered_whatever_the_rules_say_now(
    api: Api, settings: Settings, platform: Platform, pool: Pool, admin_secret: str
) -> None:
    wallet = await api.new_wallet(5000)
    payment = created(await api.pay(wallet, reference="order-7"))
    # As an older release took it: an address that is none by today's rule.
    await pool.execute(
        "UPDATE operations SET input = jsonb_set(input, '{request,payee,email}', $2) WHERE id = $1",
        payment["id"],
        "a,b@Example.com",
    )
    stricter = settings.model_copy(update={"payment_amount_minor_max": 500})
    async with api_on(compose(stricter, platform.pool, platform.client), admin_secret) as now:
        payee = {"name": "Ada", "email": "a,b@Example.com"}
        again = created(await now.pay(wallet, reference="order-7", payee=payee))
        assert again["id"] == payment["id"]
        answer = await now.pay(wallet, reference="order-7")
        refused(answer, 422, "idempotency_mismatch", "reference")
        refused(await now.pay(wallet), 402, "amount_over_limit", "amount_minor")
