"""Idempotency keys: the first answer is the answer."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from perdure.api.idempotency import (
    Answer,
    IdempotencyKey,
    answer_once,
    fingerprint,
    purge,
)
from perdure.api.keys import create_key
from perdure.api.kind_schemas import KindSchemas
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidInput,
    NotFound,
    PerdureError,
    ProviderUnavailable,
)
from perdure.payments.capability import PAYMENTS
from perdure.storage.pool import Connection, Pool

from .api_client import Api, created, payment_body, refused


async def test_the_first_answer_is_given_again(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    first = await api.pay(wallet, key="order-1")
    created(first)
    assert "Idempotent-Replayed" not in first.headers
    again = await api.pay(wallet, key="order-1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await api.payments_of(wallet)) == 1


async def test_the_order_of_fields_makes_no_other_request(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    body = payment_body(wallet)
    first = created(await api.post("/v1/payments", body, key="order-2"))
    backwards = dict(reversed(body.items()))
    assert created(await api.post("/v1/payments", backwards, key="order-2")) == first


async def test_another_request_under_the_key_is_refused(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    created(await api.pay(wallet, key="order-3"))
    refused(await api.pay(wallet, key="order-3", amount_minor=1), 422, "idempotency_key_reused")
    account = {"customer_id": wallet.customer_id, "currency": "USD", "name": "Wallet"}
    refused(await api.post("/v1/accounts", account, "order-3"), 422, "idempotency_key_reused")
    assert len(await api.payments_of(wallet)) == 1


async def test_a_refusal_is_given_again_even_if_it_would_pass_now(api: Api) -> None:
    wallet = await api.new_wallet()
    first = await api.pay(wallet, key="order-4")
    refused(first, 402, "insufficient_funds", "amount_minor")
    deposit = {"amount_minor": 5000, "currency": "USD", "reference": "x"}
    created(await api.post(f"/v1/accounts/{wallet.account_id}/deposits", deposit))
    again = await api.pay(wallet, key="order-4")
    assert (again.status_code, again.content) == (402, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    created(await api.pay(wallet, key="order-4-again"))


async def test_a_request_that_was_wrong_may_be_put_right_under_its_key(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    for wrong in ({"amount_minor": 1.5}, {"amount_minor": 0}, {"currency": "EUR"}, {"x": 1}):
        assert (await api.pay(wallet, key="order-5", **wrong)).status_code == 400
    unknown = {"account_id": "acc_01h455vb4pex5vsknk084sn02q"}
    assert (await api.pay(wallet, key="order-5", **unknown)).status_code == 404
    created(await api.pay(wallet, key="order-5"))


async def test_two_callers_may_use_one_key(api: Api, pool: Pool) -> None:
    wallet, other = await api.new_wallet(5000), await api.new_wallet(5000)
    callers = [api]
    for name, customer in (("a", None), ("b", None), ("a", wallet), ("a", other)):
        customer_id = customer.customer_id if customer else None
        _, secret = await create_key(pool, name, [ADMIN], customer_id)
        callers.append(api.as_key(secret))
    wallets = [wallet, wallet, wallet, wallet, other]
    ids = {
        created(await caller.pay(paying, key="shared", amount_minor=10))["id"]
        for caller, paying in zip(callers, wallets, strict=True)
    }
    assert len(ids) == 5


async def test_a_replaced_api_key_finds_the_answers_of_the_one_before(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    _, old = await create_key(pool, "backend", [ADMIN])
    _, new = await create_key(pool, "backend", [ADMIN])
    first = created(await api.as_key(old).pay(wallet, key="order-6"))
    assert created(await api.as_key(new).pay(wallet, key="order-6")) == first


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    wallet = await api.new_wallet(5000)
    headers = [*api.headers().items(), ("Idempotency-Key", key)]
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    answer = await api.http.post("/v1/payments", json=payment_body(wallet), headers=encoded)
    refused(answer, 400, "invalid_idempotency_key", "Idempotency-Key")


async def test_a_key_sent_twice_is_refused(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    headers = [*api.headers("one").items(), ("Idempotency-Key", "two")]
    answer = await api.http.post("/v1/payments", json=payment_body(wallet), headers=headers)
    refused(answer, 400, "invalid_idempotency_key", "Idempotency-Key")
    assert await api.payments_of(wallet) == []


def key_of(value: str, body: object = None) -> IdempotencyKey:
    return IdempotencyKey(value, fingerprint("POST", "/", json.dumps(body).encode()))


async def answered(platform: Platform, key: IdempotencyKey, act: Any) -> Answer:
    return await answer_once(platform.operations, "key:unit", key, "req_1", act)


async def test_what_failed_on_our_side_is_undone_and_not_kept(
    platform: Platform, pool: Pool
) -> None:
    async def act(connection: Connection) -> Answer:
        await connection.execute(
            "INSERT INTO deposits (transfer_id, account_id, actor) VALUES ('t-1', 'a', 'x')"
        )
        raise ZeroDivisionError

    async def succeed(connection: Connection) -> Answer:
        return Answer(201, b"{}")

    with pytest.raises(ZeroDivisionError):
        await answered(platform, key_of("boom"), act)
    assert not await pool.fetchval("SELECT count(*) FROM deposits WHERE transfer_id = 't-1'")
    again = await answered(platform, key_of("boom"), succeed)
    assert (again.status, again.replayed) == (201, False)


_ROUTES = [
    "/v1/payments",
    "/v1/transfers",
    "/v1/renewals",
    "/v1/accounts",
    "/v1/accounts/acc_01h455vb4pex5vsknk084sn02q/deposits",
    "/v1/bulks",
    "/v1/bulks/blk_01h455vb4pex5vsknk084sn02q/undo",
]


@pytest.mark.parametrize("path", _ROUTES)
async def test_a_body_that_cannot_be_read_is_answered_with_a_key_as_without(
    api: Api, path: str
) -> None:
    for content_type in ("application/json", "text/plain"):
        for body in (b"", b"{", b"\xff\xfe", b"[" * 50_000, b"9" * 5_000):
            answers = [
                await api.http.post(
                    path, content=body, headers=api.headers(key) | {"Content-Type": content_type}
                )
                for key in (None, "unread", "unread")
            ]
            first, *rest = [(answer.status_code, answer.json()["error"]) for answer in answers]
            assert first[0] in {400, 415}
            for status, error in rest:
                assert (status, error | {"request_id": first[1]["request_id"]}) == first


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (InsufficientFunds("x"), True),
        (InvalidInput("x"), False),
        (NotFound("x"), False),
        (Conflict("x"), False),
        (IdempotencyMismatch("x"), False),
        (ProviderUnavailable("x"), False),
        (ConnectionResetError("x"), False),
    ],
    ids=repr,
)
async def test_only_an_error_that_is_an_answer_is_kept(
    platform: Platform, error: Exception, kept: bool
) -> None:
    async def fail(connection: Connection) -> Answer:
        raise error

    async def succeed(connection: Connection) -> Answer:
        return Answer(201, b"{}")

    key = key_of(f"kept-{error!r}")
    if kept:
        assert (await answered(platform, key, fail)).status == 402
        assert (await answered(platform, key, succeed)).status == 402
    else:
        with pytest.raises(type(error)):
            await answered(platform, key, fail)
        assert (await answered(platform, key, succeed)).status == 201


async def test_a_key_under_way_is_a_conflict_and_free_after_a_crash(platform: Platform) -> None:
    inside, crash = asyncio.Event(), asyncio.Event()

    async def hang(connection: Connection) -> Answer:
        inside.set()
        await crash.wait()
        raise AssertionError

    async def succeed(connection: Connection) -> Answer:
        return Answer(201, b"{}")

    first = asyncio.create_task(answered(platform, key_of("under-way"), hang))
    await inside.wait()
    with pytest.raises(Conflict) as caught:
        await answered(platform, key_of("under-way"), succeed)
    error: PerdureError = caught.value
    assert error.code == "idempotency_key_in_use"
    # A process that dies takes its connection, and so its lock, with it.
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await answered(platform, key_of("under-way"), succeed)).status == 201


async def test_keys_are_kept_a_day_and_purged_after_it(platform: Platform, pool: Pool) -> None:
    async def succeed(connection: Connection) -> Answer:
        return Answer(201, b"{}")

    for value in ("old", "young"):
        await answered(platform, key_of(value), succeed)
    await pool.execute(
        "UPDATE idempotency_keys SET created_at = now() - CASE key"
        " WHEN 'old' THEN interval '25 hours' ELSE interval '23 hours' END"
        " WHERE key IN ('old', 'young')"
    )
    assert await purge(pool) == 1
    kept = await pool.fetch("SELECT key FROM idempotency_keys WHERE key IN ('old', 'young')")
    assert [row["key"] for row in kept] == ["young"]


async def test_a_purge_is_bounded(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO idempotency_keys (owner, key, fingerprint, status, body, created_at)"
        " SELECT 'key:bulk', n::text, '', 201, '', now() - interval '2 days'"
        " FROM generate_series(1, 1500) AS n"
    )
    assert await purge(pool) == 1000
    assert await purge(pool) == 500
    assert await purge(pool) == 0


async def test_a_payment_whose_key_cannot_be_kept_is_not_made(api: Api, platform: Platform) -> None:
    wallet = await api.new_wallet(5000)
    schemas = KindSchemas(PAYMENTS)
    request = schemas.request_of(schemas.body.model_validate(payment_body(wallet)))

    async def act(connection: Connection) -> Answer:
        await platform.kinds.acceptance("payment").accept(connection, request, actor="key:unit")
        return Answer(201, None)  # type: ignore[arg-type]

    with pytest.raises(asyncpg.NotNullViolationError):
        await answered(platform, key_of("not-kept"), act)
    assert await api.payments_of(wallet) == []
    created(await api.pay(wallet))
    assert len(await api.payments_of(wallet)) == 1
