"""Many operations in one request: each is taken in or refused by itself."""

from typing import Any
from uuid import uuid4

import pytest

from perdure.bootstrap import Platform
from perdure.operations import store
from perdure.payments.contracts import PaymentRequest
from perdure.storage.pool import Connection, Pool

from .api_client import Api, Json, Wallet, ok, payment_body, refused
from .test_renewals import body_of
from .test_transfers import transfer_body


def items_of(wallet: Wallet, count: int, **changes: object) -> list[Json]:
    return [payment_body(wallet) | {"reference": uuid4().hex} | changes for _ in range(count)]


def told(answer: Json) -> list[tuple[str, str | None, str | None]]:
    """Status, code and field of each item."""
    return [
        (one["status"], *(one["failure"][name] if one["failure"] else None for name in FAILURE))
        for one in answer["data"]
    ]


FAILURE = ("code", "param")


async def test_each_item_is_taken_in_or_refused_by_itself(api: Api) -> None:
    wallet = await api.new_wallet(2500)
    good, poor = items_of(wallet, 1), items_of(wallet, 1, amount_minor=9000)
    wrong = [{**good[0], "reference": uuid4().hex, "amount_minor": "12"}, {"reference": "x"}, 7]
    strange = items_of(wallet, 1, nickname="Ada")
    answer = ok(await api.post("/v1/payments/batch", {"items": [*wrong, *good, *strange, *poor]}))
    assert told(answer) == [
        ("rejected", "invalid_amount", "amount_minor"),
        ("rejected", "missing_field", "customer_id"),
        ("rejected", "invalid_input", None),
        ("pending", None, None),
        ("rejected", "unknown_field", "nickname"),
        ("rejected", "insufficient_funds", "amount_minor"),
    ]
    assert [one["number"] for one in answer["data"]] == list(range(6))
    (payment,) = await api.payments_of(wallet)
    assert payment["id"] == answer["data"][3]["id"]


async def test_the_same_again_adds_nothing(api: Api) -> None:
    wallet = await api.new_wallet(50_000)
    body = {"items": items_of(wallet, 3)}
    first = ok(await api.post("/v1/payments/batch", body, "k-" + wallet.customer_id))
    again = await api.post("/v1/payments/batch", body, "k-" + wallet.customer_id)
    assert again.headers["Idempotent-Replayed"] == "true"
    without_key = ok(await api.post("/v1/payments/batch", body))
    assert ok(again) == first == without_key
    assert len(await api.payments_of(wallet)) == 3


async def test_they_are_spread_over_lanes_or_run_by_themselves(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(50_000)
    for own, lanes in ((False, [0, 1, 2, 3, 0]), (True, [None] * 5)):
        body = {"items": items_of(wallet, 5), "own_workflows": own}
        data = ok(await api.post("/v1/payments/batch", body))["data"]
        assert [(await store.get(pool, one["id"])).lane for one in data] == lanes


async def test_what_the_database_does_not_take_costs_no_other_item(
    api: Api, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = platform.kinds.acceptance("payment")
    accept_many = payments.accept_many

    async def choking(connection: Connection, requests: list[PaymentRequest], **more: Any) -> Any:
        found = await accept_many(connection, requests, **more)
        if any(request.description == "poison" for request in requests):
            await connection.fetchval("SELECT convert_from('\\xff', 'UTF8')")
        return found

    monkeypatch.setattr(payments, "accept_many", choking)
    wallet = await api.new_wallet(50_000)
    good, poison = items_of(wallet, 2), items_of(wallet, 1, description="poison")
    answer = ok(await api.post("/v1/payments/batch", {"items": [good[0], *poison, good[1]]}))
    assert [one["status"] for one in answer["data"]] == ["pending", "rejected", "pending"]
    assert len(await api.payments_of(wallet)) == 2


async def test_every_kind_has_one(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(50_000)
    transfers = {"items": [transfer_body(wallet)]}
    assert told(ok(await api.post("/v1/transfers/batch", transfers))) == [("pending", None, None)]
    renewals = {
        "items": [await body_of(pool, wallet), await body_of(pool, wallet) | {"domain": "-"}]
    }
    assert told(ok(await api.post("/v1/renewals/batch", renewals))) == [
        ("pending", None, None),
        ("rejected", "invalid_domain", "domain"),
    ]


@pytest.mark.parametrize("count", [0, 201])
async def test_a_batch_has_a_size(api: Api, count: int) -> None:
    answer = await api.post("/v1/payments/batch", {"items": [{}] * count})
    refused(answer, 400, "invalid_input", "items")


async def test_domains_are_taken_in_and_shown(api: Api, pool: Pool) -> None:
    name = f"{uuid4().hex[:12]}.info"
    row = {"line": 2, "name": name, "customer_id": "cus_ada", "expires_on": "2027-11-21"}
    bad = [row | {"line": 3, "name": "UPPER.info"}, row | {"line": 4, "expires_on": "soon"}]
    answer = ok(await api.post("/v1/domains/import", {"rows": [row, *bad]}))
    assert (answer["added"], answer["changed"], answer["unchanged"]) == (1, 0, 0)
    assert [(one["line"], one["code"]) for one in answer["rejected"]] == [
        (3, "invalid_domain"),
        (4, "invalid_date"),
    ]
    domain = ok(await api.get(f"/v1/domains/{name}"))
    assert (domain["expires_on"], domain["tld"], domain["renewing"]) == ("2027-11-21", "info", None)

    wallet = await api.new_wallet(5000)
    await pool.execute(
        "UPDATE domains SET customer_id = $2 WHERE name = $1", name, wallet.customer_id
    )
    body = {"customer_id": wallet.customer_id, "account_id": wallet.account_id, "domain": name}
    renewal = (await api.post("/v1/renewals", body)).json()
    assert ok(await api.get(f"/v1/domains/{name}"))["renewing"] == renewal["id"]
    busy = ok(await api.post("/v1/domains/import", {"rows": [row]}))["rejected"]
    assert [(one["line"], one["code"]) for one in busy] == [(2, "renewal_in_progress")]
    refused(await api.get("/v1/domains/nobodys.info"), 404, "domain_not_found", "name")
