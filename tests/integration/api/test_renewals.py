"""`/v1/renewals`: made, read, listed and cancelled, as transfers are."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from perdure.api.keys import create_key
from perdure.core.clock import utc_now
from perdure.operations import store
from perdure.operations.model import Status
from perdure.renewals import domains
from perdure.renewals.domains import NewDomain
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Json, Wallet, created, ok, refused

EXPIRES_ON = utc_now().date() + timedelta(days=30)
RESULT = {
    "expires_on": "2030-01-31",
    "price_minor": 1499,
    "currency": "USD",
    "registry_renewal_id": "ren_7",
}


async def body_of(pool: Pool, wallet: Wallet, *, tld: str = "info", days: int = 0) -> Json:
    """Return a right request for a new domain of the wallet's customer."""
    name = f"{uuid4().hex[:12]}.{tld}"
    async with transaction(pool) as connection:
        given = NewDomain(name, wallet.customer_id, EXPIRES_ON + timedelta(days=days))
        await domains.import_many(connection, [given])
    return {
        "customer_id": wallet.customer_id,
        "account_id": wallet.account_id,
        "domain": name,
        "customer": {"name": "Ada", "email": "ada@example.com"},
    }


async def made(api: Api, body: Json, *, key: str | None = None, **changes: object) -> Json:
    return created(await api.post("/v1/renewals", body | changes, key))


async def test_a_renewal_is_accepted_and_shown_r1(api: Api, pool: Pool) -> None:
    body = await body_of(pool, await api.new_wallet(5000))
    renewal = await made(api, body, years=2, reference="spring", metadata={"shop": "7"})
    assert renewal["object"] == "renewal"
    assert renewal["id"].startswith("rnw_")
    assert (renewal["status"], renewal["domain"], renewal["years"]) == (
        "pending",
        body["domain"],
        2,
    )
    assert renewal["current_expires_on"] == EXPIRES_ON.isoformat()
    assert [renewal[name] for name in RESULT] == [None] * 4
    assert renewal["metadata"] == {"shop": "7"}
    assert ok(await api.get(f"/v1/renewals/{renewal['id']}")) == renewal
    assert ok(await api.get(f"/v1/operations/{renewal['id']}"))["kind"] == "renewal"


async def test_a_double_click_is_one_renewal_r1(api: Api, pool: Pool) -> None:
    body = await body_of(pool, await api.new_wallet(5000))
    clicks = await asyncio.gather(*(made(api, body) for _ in range(5)))
    (renewal_id,) = {click["id"] for click in clicks}
    answer = await api.post("/v1/renewals", body | {"years": 2})
    assert renewal_id in refused(answer, 409, "renewal_in_progress", "domain")


async def test_one_of_many_goes_through_a_lane_of_its_registry(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    lanes = {}
    for tld in ("com", "fr", "info"):
        renewal = await made(api, await body_of(pool, wallet, tld=tld), bulk=True)
        lanes[tld] = (await store.get(pool, renewal["id"])).lane
    assert lanes["com"] is not None
    assert lanes == {"com": lanes["com"], "fr": lanes["com"] + 4, "info": lanes["com"] + 8}


async def test_a_renewal_that_succeeded_shows_what_was_paid(api: Api, pool: Pool) -> None:
    renewal_id = (await made(api, await body_of(pool, await api.new_wallet(5000))))["id"]
    async with transaction(pool) as connection:
        locked = await store.lock(connection, renewal_id)
        await store.move(connection, locked, Status.SUCCEEDED, action="recorded", result=RESULT)
    renewal = ok(await api.get(f"/v1/renewals/{renewal_id}"))
    assert {name: renewal[name] for name in RESULT} == RESULT
    answer = await api.post(f"/v1/renewals/{renewal_id}/cancel", {"reason": "too late"})
    refused(answer, 409, "not_cancellable", "id")


async def test_a_renewal_is_cancelled(api: Api, pool: Pool) -> None:
    renewal_id = (await made(api, await body_of(pool, await api.new_wallet(5000))))["id"]
    answer = ok(await api.post(f"/v1/renewals/{renewal_id}/cancel", {"reason": "wrong domain"}))
    assert (answer["object"], answer["accepted"]) == ("cancellation", True)
    assert answer["renewal"]["cancel_request"]["reason"] == "wrong domain"


async def test_renewals_are_listed_and_no_other_kind(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    ids = [(await made(api, await body_of(pool, wallet)))["id"] for _ in range(3)]
    created(await api.pay(wallet))
    page = ok(await api.get("/v1/renewals", customer_id=wallet.customer_id))
    assert [renewal["id"] for renewal in page["data"]] == ids[::-1]
    assert page["url"] == "/v1/renewals"


async def test_a_customers_key_sees_and_makes_only_its_own(api: Api, pool: Pool) -> None:
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    scopes = ["renewals:read", "renewals:write"]
    _, secret = await create_key(pool, "shop", scopes, mine.customer_id)
    customer = api.as_key(secret)
    theirs = (await made(api, await body_of(pool, other)))["id"]
    own = (await made(customer, await body_of(pool, mine)))["id"]
    refused(await customer.get(f"/v1/renewals/{theirs}"), 404, "renewal_not_found", "id")
    answer = await customer.post("/v1/renewals", await body_of(pool, other))
    refused(answer, 403, "other_customer", "customer_id")
    assert [one["id"] for one in ok(await customer.get("/v1/renewals"))["data"]] == [own]
    refused(await customer.get("/v1/transfers"), 403, "missing_scope")


@pytest.mark.parametrize(
    ("change", "status", "refusal"),
    [
        ({"domain": "Not a name"}, 400, ("invalid_domain", "domain")),
        ({"domain": "Not a name", "bulk": True}, 400, ("invalid_domain", "domain")),
        ({"domain": "example.museum"}, 400, ("unknown_tld", "domain")),
        ({"domain": "nobody-has-it.info"}, 404, ("domain_not_found", "domain")),
        ({"years": 11}, 400, ("invalid_years", "years")),
        ({"years": "1"}, 400, ("invalid_input", "years")),
        ({"price_minor_max": 0}, 400, ("invalid_amount", "price_minor_max")),
        ({"account_id": "nonsense"}, 400, ("invalid_id", "account_id")),
        ({"deadline": "2020-01-01T00:00:00Z"}, 400, ("deadline_passed", "deadline")),
        ({"customer": {"email": "nobody"}}, 400, ("invalid_input", "customer.email")),
        ({"amount_minor": 1}, 400, ("unknown_field", "amount_minor")),
    ],
)
async def test_a_renewal_is_refused_r1(
    api: Api, pool: Pool, change: Json, status: int, refusal: tuple[str, str]
) -> None:
    body = await body_of(pool, await api.new_wallet(5000))
    assert refused(await api.post("/v1/renewals", body | change), status, *refusal)
    mine = ok(await api.get("/v1/renewals", customer_id=body["customer_id"]))
    assert mine["data"] == []


async def test_an_expired_domain_is_refused_with_what_to_do_r1(api: Api, pool: Pool) -> None:
    body = await body_of(pool, await api.new_wallet(5000), days=-31)
    answer = await api.post("/v1/renewals", body)
    assert "restored" in refused(answer, 402, "domain_expired", "domain")
