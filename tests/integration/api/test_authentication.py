"""API keys: who may call, what they may do, and whose things they see."""

from datetime import timedelta

import pytest

from perdure.api.keys import (
    ApiKey,
    create_key,
    find_key,
    list_keys,
    revoke_key,
)
from perdure.api.scopes import ADMIN, Role, all_scopes, house_scopes
from perdure.core.clock import utc_now
from perdure.core.errors import InvalidInput, NotFound, PerdureError
from perdure.storage.pool import Pool

from .api_client import Api, Wallet, created, ok, payment_body, refused

PROTECTED = [
    ("GET", "/v1/payments", "payments:read"),
    ("POST", "/v1/payments", "payments:write"),
    ("GET", "/v1/payments/pay_1", "payments:read"),
    ("POST", "/v1/payments/pay_1/cancel", "payments:write"),
    ("POST", "/v1/payments/pay_1/refund", "payments:write"),
    ("GET", "/v1/payments/pay_1/workflow", "payments:read"),
    ("GET", "/v1/transfers", "transfers:read"),
    ("POST", "/v1/transfers", "transfers:write"),
    ("GET", "/v1/transfers/tfr_1", "transfers:read"),
    ("POST", "/v1/transfers/tfr_1/cancel", "transfers:write"),
    ("POST", "/v1/transfers/tfr_1/refund", "transfers:write"),
    ("GET", "/v1/renewals", "renewals:read"),
    ("POST", "/v1/renewals", "renewals:write"),
    ("GET", "/v1/renewals/rnw_1", "renewals:read"),
    ("POST", "/v1/renewals/rnw_1/cancel", "renewals:write"),
    ("POST", "/v1/renewals/rnw_1/refund", "renewals:write"),
    ("POST", "/v1/accounts", "accounts:write"),
    ("GET", "/v1/accounts", "accounts:read"),
    ("GET", "/v1/accounts/acc_1", "accounts:read"),
    ("GET", "/v1/accounts/acc_1/balance", "accounts:read"),
    ("GET", "/v1/accounts/acc_1/transfers", "accounts:read"),
    ("POST", "/v1/accounts/acc_1/deposits", "accounts:write"),
    ("GET", "/v1/customers/cus_1", "customers:read"),
    ("POST", "/v1/customers/cus_1/erasure", "erasures:write"),
    ("GET", "/v1/operations", "operations:read"),
    ("GET", "/v1/operations/pay_1", "operations:read"),
    ("GET", "/v1/operations/pay_1/timeline", "operations:read"),
    ("GET", "/v1/operations/pay_1/events", "operations:read"),
    ("POST", "/v1/operations/pay_1/cancel", "operations:write"),
    ("POST", "/v1/operations/pay_1/refund", "operations:write"),
    ("POST", "/v1/operations/pay_1/resume", "operations:write"),
    ("POST", "/v1/operations/pay_1/relaunch", "operations:write"),
    ("POST", "/v1/operations/pay_1/park", "operations:write"),
    ("POST", "/v1/operations/pay_1/release", "operations:write"),
    ("POST", "/v1/operations/pay_1/correct", "operations:write"),
    ("POST", "/v1/operations/statuses", "operations:read"),
    ("GET", "/v1/operations/pay_1/report", "operations:read"),
    ("GET", "/v1/lanes", "operations:read"),
    ("GET", "/v1/lanes/interactive", "operations:read"),
    ("GET", "/v1/ledger/transfers", "accounts:read"),
    ("GET", "/v1/ledger/trial-balance", "accounts:read"),
    ("GET", "/v1/limits/changes", "limits:read"),
    ("POST", "/v1/payments/batch", "payments:write"),
    ("GET", "/v1/onboardings", "onboardings:read"),
    ("POST", "/v1/onboardings", "onboardings:write"),
    ("POST", "/v1/onboardings/batch", "onboardings:write"),
    ("GET", "/v1/onboardings/onb_1", "onboardings:read"),
    ("POST", "/v1/onboardings/onb_1/cancel", "onboardings:write"),
    ("POST", "/v1/transfers/batch", "transfers:write"),
    ("POST", "/v1/renewals/batch", "renewals:write"),
    ("POST", "/v1/domains/import", "renewals:write"),
    ("GET", "/v1/domains/example.info", "renewals:read"),
    ("POST", "/v1/bank-syncs", "bank-syncs:write"),
    ("POST", "/v1/bank-syncs/batch", "bank-syncs:write"),
    ("GET", "/v1/bank-syncs", "bank-syncs:read"),
    ("GET", "/v1/bank-syncs/bks_1", "bank-syncs:read"),
    ("POST", "/v1/bank-syncs/bks_1/cancel", "bank-syncs:write"),
    ("POST", "/v1/bank-items", "bank-syncs:write"),
    ("POST", "/v1/bank-items/link-token", "bank-syncs:write"),
    ("GET", "/v1/bank-items", "bank-syncs:read"),
    ("GET", "/v1/bank-items/bki_1", "bank-syncs:read"),
    ("DELETE", "/v1/bank-items/bki_1", "bank-syncs:write"),
    ("GET", "/v1/bank-items/bki_1/transactions", "bank-syncs:read"),
    ("GET", "/v1/legacy", "operations:read"),
    ("GET", "/v1/legacy/shadow", "operations:read"),
    ("POST", "/v1/legacy/registry-info/move", "operations:write"),
    ("GET", "/v1/trades", "trades:read"),
    ("GET", "/v1/trades/trd_1", "trades:read"),
    ("GET", "/v1/trades/trd_1/events", "trades:read"),
    ("POST", "/v1/orders", "orders:write"),
    ("GET", "/v1/orders", "orders:read"),
    ("GET", "/v1/orders/ord_1", "orders:read"),
    ("POST", "/v1/orders/ord_1/cancel", "orders:write"),
    ("POST", "/v1/orders/ord_1/replace", "orders:write"),
    ("GET", "/v1/orders/ord_1/events", "orders:read"),
    ("GET", "/v1/books/GEM", "orders:read"),
    ("GET", "/v1/books/GEM/events", "orders:read"),
    ("GET", "/v1/instruments", "orders:read"),
    ("GET", "/v1/instruments/GEM", "orders:read"),
    ("PUT", "/v1/instruments/GEM", "instruments:write"),
    ("POST", "/v1/instruments/GEM/halt", "instruments:write"),
    ("POST", "/v1/instruments/GEM/resume", "instruments:write"),
    ("GET", "/v1/bulks", "bulk:read"),
    ("POST", "/v1/bulks", "bulk:write"),
    ("GET", "/v1/bulks/blk_1", "bulk:read"),
    ("GET", "/v1/bulks/blk_1/items", "bulk:read"),
    ("POST", "/v1/bulks/blk_1/pause", "bulk:write"),
    ("POST", "/v1/bulks/blk_1/resume", "bulk:write"),
    ("POST", "/v1/bulks/blk_1/stop", "bulk:write"),
    ("POST", "/v1/bulks/blk_1/rate", "bulk:write"),
    ("POST", "/v1/bulks/blk_1/undo", "bulk:write"),
    ("POST", "/v1/bulks/lists", "bulk:write"),
    ("POST", "/v1/bulks/lists/bll_1/ids", "bulk:write"),
    ("GET", "/v1/flags", "flags:read"),
    ("GET", "/v1/flags/flag_1", "flags:read"),
    ("GET", "/v1/flags/flag_1/changes", "flags:read"),
    ("PUT", "/v1/flags/flag_1", "flags:write"),
    ("GET", "/v1/reconciliations", "reconciliations:read"),
    ("POST", "/v1/reconciliations", "reconciliations:write"),
    ("GET", "/v1/reconciliations/rec_1", "reconciliations:read"),
    ("GET", "/v1/reconciliations/rec_1/report.html", "reconciliations:read"),
    ("GET", "/v1/reconciliations/rec_1/report.csv", "reconciliations:read"),
    ("GET", "/v1/reconciliation-breaks", "reconciliations:read"),
    ("GET", "/v1/reconciliation-breaks/brk_1", "reconciliations:read"),
    ("POST", "/v1/reconciliation-breaks/brk_1/resolve", "reconciliations:write"),
    ("GET", "/v1/statements", "statements:read"),
    ("POST", "/v1/statements", "statements:write"),
    ("POST", "/v1/statements/parts", "statements:write"),
    ("GET", "/v1/statements/stm_1", "statements:read"),
    ("GET", "/v1/statements/stm_1/lines", "statements:read"),
    ("GET", "/v1/statement-accounts", "statements:read"),
    ("PUT", "/v1/statement-accounts/iban", "statements:write"),
    ("GET", "/v1/schedules", "schedules:read"),
    ("POST", "/v1/schedules/apply", "schedules:write"),
    ("POST", "/v1/schedules/example.info/pause", "schedules:write"),
    ("POST", "/v1/schedules/example.info/resume", "schedules:write"),
    ("POST", "/v1/schedules/example.info/trigger", "schedules:write"),
    ("GET", "/v1/limits", "limits:read"),
    ("GET", "/v1/limits/gateway/changes", "limits:read"),
    ("PUT", "/v1/limits/gateway", "limits:write"),
    ("POST", "/v1/limits/gateway/remove", "limits:write"),
]


@pytest.mark.parametrize(("method", "path", "scope"), PROTECTED)
async def test_every_route_asks_for_a_key_with_its_scope(
    api: Api, pool: Pool, method: str, path: str, scope: str
) -> None:
    answer = await api.http.request(method, path, json={})
    refused(answer, 401, "missing_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    _, secret = await create_key(pool, "narrow", set(all_scopes()) - {scope, ADMIN})
    answer = await api.http.request(
        method, path, json={}, headers={"Authorization": f"Bearer {secret}"}
    )
    assert scope in refused(answer, 403, "missing_scope")


async def test_no_route_is_forgotten_here(api: Api) -> None:
    document = ok(await api.http.get("/openapi.json"))
    ids = {"payment_id": "pay_1", "transfer_id": "tfr_1", "account_id": "acc_1"}
    ids |= {"renewal_id": "rnw_1", "flag_key": "flag_1", "provider": "gateway"}
    ids |= {"bulk_id": "blk_1", "list_id": "bll_1", "customer_id": "cus_1"}
    ids |= {"reconciliation_id": "rec_1", "break_id": "brk_1"}
    ids |= {"statement_id": "stm_1", "source": "iban"}
    ids |= {"name": "example.info", "part": "registry-info"}
    ids |= {"trade_id": "trd_1", "order_id": "ord_1", "asset": "GEM"}
    ids |= {"bank_sync_id": "bks_1", "item_id": "bki_1"}
    ids |= {"onboarding_id": "onb_1"}
    described = {
        (method.upper(), path.format(operation_id="pay_1", **ids))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/v1/") and "callbacks" not in path
    }
    assert described == {(method, path) for method, path, _ in PROTECTED}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer perdure_wrong", "invalid_api_key"),
        ("Bearer " + "x" * 4000, "invalid_api_key"),
        ("Basic cGVyZHVyZTo=", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("", "missing_api_key"),
    ],
)
async def test_a_wrong_key_is_refused(api: Api, header: str, code: str) -> None:
    answer = await api.http.get("/v1/payments", headers={"Authorization": header})
    refused(answer, 401, code)


async def test_an_expired_key_is_refused(api: Api, pool: Pool) -> None:
    soon, late = utc_now() + timedelta(hours=1), utc_now() - timedelta(seconds=1)
    _, secret = await create_key(pool, "temporary", [ADMIN], expires_at=soon)
    ok(await api.as_key(secret).get("/v1/payments"))
    _, secret = await create_key(pool, "temporary", [ADMIN], expires_at=late)
    refused(await api.as_key(secret).get("/v1/payments"), 401, "expired_api_key")


async def test_a_revoked_key_is_refused_from_then_on(api: Api, pool: Pool) -> None:
    key, secret = await create_key(pool, "temporary", ["payments:read"])
    ok(await api.as_key(secret).get("/v1/payments"))
    revoked = await revoke_key(pool, key.id)
    refused(await api.as_key(secret).get("/v1/payments"), 401, "revoked_api_key")
    assert await revoke_key(pool, key.id) == revoked
    with pytest.raises(NotFound):
        await revoke_key(pool, "key_unknown")


async def test_only_a_digest_of_a_secret_is_kept(pool: Pool) -> None:
    key, secret = await create_key(pool, "stored", ["payments:read"], "cus_1")
    assert secret.startswith("perdure_")
    assert len(secret) >= len("perdure_") + 43  # 256 bits in base64
    row = await pool.fetchrow("SELECT api_keys::text AS text FROM api_keys WHERE id = $1", key.id)
    assert row is not None
    assert secret not in row["text"]
    assert secret.startswith(key.prefix)
    assert await find_key(pool, secret) == key
    assert key in await list_keys(pool)
    assert secret not in repr(key)


@pytest.mark.parametrize(
    ("name", "scopes", "code"),
    [
        ("", ["admin"], "invalid_name"),
        ("a b", ["admin"], "invalid_name"),
        ("x" * 65, ["admin"], "invalid_name"),
        ("good", [], "missing_field"),
        ("good", ["payments"], "unknown_scope"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    pool: Pool, name: str, scopes: list[str], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await create_key(pool, name, scopes)
    error: PerdureError = caught.value
    assert error.code == code


@pytest.mark.parametrize("customer_id", ["", " ", "x" * 256])
async def test_a_key_is_not_bound_to_a_customer_that_cannot_be(
    pool: Pool, customer_id: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await create_key(pool, "shop", [ADMIN], customer_id)
    assert caught.value.param == "customer"


@pytest.mark.parametrize("scope", house_scopes(all_scopes()))
async def test_a_customers_key_gets_no_scope_of_the_house(pool: Pool, scope: str) -> None:
    with pytest.raises(InvalidInput, match="no customer may do that") as caught:
        await create_key(pool, "shop", ["payments:read", scope], "cus_1")
    assert (caught.value.code, caught.value.param) == ("house_scope", "scopes")


async def test_a_key_works_on_where_a_kind_it_names_is_gone(api: Api, pool: Pool) -> None:
    key, secret = await create_key(pool, "shop", ["accounts:read"])
    # As it was made while the package with that kind was installed.
    await pool.execute(
        "UPDATE api_keys SET scopes = scopes || '{giftcards:read}' WHERE id = $1", key.id
    )
    ok(await api.as_key(secret).get("/v1/accounts"))
    refused(await api.as_key(secret).get("/v1/payments"), 403, "missing_scope")
    (found,) = [one for one in await list_keys(pool) if one.id == key.id]
    assert found.scopes == {"accounts:read", "giftcards:read"}


@pytest.mark.parametrize(
    ("role", "allows", "lacks"),
    [
        (
            Role.VIEWER,
            {"payments:read", "limits:read"},
            {"payments:write", "bulk:write", "payloads:decode"},
        ),
        (
            Role.OPERATOR,
            {"orders:write", "operations:write", "payloads:decode"},
            {"instruments:write"},
        ),
        (Role.APPROVER, {"transfers:write", "accounts:write", "flags:write"}, set()),
        (Role.ADMIN, set(all_scopes()), set()),
    ],
)
async def test_a_role_is_a_set_of_scopes(
    pool: Pool, role: Role, allows: set[str], lacks: set[str]
) -> None:
    key, secret = await create_key(pool, "ada", [], role=role)
    assert [scope for scope in allows if not key.allows(scope)] == []
    assert [scope for scope in lacks if key.allows(scope)] == []
    kept = await pool.fetchrow("SELECT scopes, role FROM api_keys WHERE id = $1", key.id)
    assert tuple(kept or ()) == ([], role), "what it may do is looked up when it is used"
    assert await find_key(pool, secret) == key


async def test_a_role_that_there_is_not_may_do_nothing_and_scopes_stay(pool: Pool) -> None:
    key, secret = await create_key(pool, "ada", ["limits:read"], role=Role.VIEWER)
    await pool.execute("UPDATE api_keys SET role = 'auditor' WHERE id = $1", key.id)
    assert (await find_key(pool, secret)).scopes == {"limits:read"}


async def key_of(api: Api, pool: Pool, wallet: Wallet) -> tuple[ApiKey, Api]:
    key, secret = await create_key(pool, "shop", [ADMIN], wallet.customer_id)
    return key, api.as_key(secret)


async def test_a_customers_key_sees_only_its_own(api: Api, pool: Pool) -> None:
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    _, customer = await key_of(api, pool, mine)
    theirs = created(await api.pay(other))["id"]
    own = created(await customer.pay(mine))["id"]

    ok(await customer.get(f"/v1/payments/{own}"))
    for path in ("", "/workflow"):
        answer = await customer.get(f"/v1/payments/{theirs}{path}")
        refused(answer, 404, "payment_not_found", "id")
    for path in ("", "/timeline", "/events"):
        answer = await customer.get(f"/v1/operations/{theirs}{path}")
        refused(answer, 404, "operation_not_found", "id")
    for path in ("", "/balance", "/transfers"):
        answer = await customer.get(f"/v1/accounts/{other.account_id}{path}")
        refused(answer, 404, "account_not_found", "id")
    refused(await customer.get("/v1/accounts/sys_bank_USD"), 404, "account_not_found", "id")
    why = {"reason": "mischief"}
    for path in (f"/v1/payments/{theirs}/cancel", f"/v1/operations/{theirs}/cancel"):
        assert (await customer.post(path, why)).status_code == 404
    resumed = await customer.post(f"/v1/operations/{theirs}/resume", why)
    refused(resumed, 404, "operation_not_found", "id")
    assert ok(await api.get(f"/v1/payments/{theirs}"))["cancel_request"] is None


async def test_a_customers_key_lists_only_its_own(api: Api, pool: Pool) -> None:
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    _, customer = await key_of(api, pool, mine)
    await api.pay(other)
    own = created(await customer.pay(mine))["id"]
    for path in ("/v1/payments", "/v1/operations"):
        assert [found["id"] for found in ok(await customer.get(path))["data"]] == [own]
    accounts = ok(await customer.get("/v1/accounts"))["data"]
    assert [found["id"] for found in accounts] == [mine.account_id]
    for path in ("/v1/payments", "/v1/operations", "/v1/accounts"):
        answer = await customer.get(path, customer_id=other.customer_id)
        refused(answer, 403, "other_customer", "customer_id")


async def test_a_customers_key_acts_only_for_its_own(api: Api, pool: Pool) -> None:
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    _, customer = await key_of(api, pool, mine)
    refused(await customer.pay(other), 403, "other_customer", "customer_id")
    body = payment_body(mine) | {"account_id": other.account_id}
    refused(await customer.post("/v1/payments", body), 404, "account_not_found", "account_id")
    account = {"customer_id": other.customer_id, "currency": "USD", "name": "Wallet"}
    refused(await customer.post("/v1/accounts", account), 403, "other_customer", "customer_id")


async def test_a_customers_key_cannot_make_money(api: Api, pool: Pool) -> None:
    mine = await api.new_wallet()
    _, customer = await key_of(api, pool, mine)
    deposit = {"amount_minor": 100, "currency": "USD", "reference": "gift"}
    answer = await customer.post(f"/v1/accounts/{mine.account_id}/deposits", deposit)
    refused(answer, 403, "house_only")
