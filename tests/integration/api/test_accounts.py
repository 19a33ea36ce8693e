"""`/v1/accounts`: opened, paid into, read."""

import asyncio

import pytest

from perdure.ledger.verify import violations
from perdure.storage.pool import Pool

from .api_client import Api, Json, created, ok, refused


async def test_an_account_is_opened_with_a_floor(api: Api) -> None:
    body = {"customer_id": "cus_new", "currency": "EUR", "name": "Wallet"}
    account = created(await api.post("/v1/accounts", body))
    assert account["object"] == "account"
    assert account["id"].startswith("acc_")
    assert (account["kind"], account["may_go_negative"]) == ("liability", False)
    assert ok(await api.get(f"/v1/accounts/{account['id']}")) == account


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"currency": "XYZ"}, "unknown_currency", "currency"),
        ({"customer_id": ""}, "invalid_input", "customer_id"),
        ({"name": 1}, "invalid_input", "name"),
        ({"kind": "asset"}, "unknown_field", "kind"),
    ],
)
async def test_an_account_is_refused(api: Api, change: Json, code: str, param: str) -> None:
    body = {"customer_id": "cus_new", "currency": "EUR", "name": "Wallet"}
    refused(await api.post("/v1/accounts", body | change), 400, code, param)


async def test_opening_again_with_the_key_opens_nothing_more(api: Api) -> None:
    body = {"customer_id": "cus_once", "currency": "EUR", "name": "Wallet"}
    first = created(await api.post("/v1/accounts", body, key="open-once"))
    assert created(await api.post("/v1/accounts", body, key="open-once")) == first


async def test_a_deposit_is_on_the_balance(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet()
    path = f"/v1/accounts/{wallet.account_id}"
    body = {"amount_minor": 2500, "currency": "USD", "reference": "bank-1"}
    deposit = created(await api.post(f"{path}/deposits", body))
    assert (deposit["object"], deposit["amount_minor"]) == ("deposit", 2500)
    assert ok(await api.get(f"{path}/balance")) == {
        "object": "balance",
        "account_id": wallet.account_id,
        "currency": "USD",
        "posted_minor": 2500,
        "pending_minor": 0,
        "available_minor": 2500,
    }
    transfers = ok(await api.get(f"{path}/transfers"))["data"]
    assert [transfer["id"] for transfer in transfers] == [deposit["id"]]
    assert transfers[0]["debit_account_id"] == "sys_bank_USD"
    async with pool.acquire() as connection:
        assert await violations(connection) == []


async def test_a_deposit_of_the_same_reference_is_one_deposit(api: Api) -> None:
    wallet = await api.new_wallet()
    path = f"/v1/accounts/{wallet.account_id}/deposits"
    body = {"amount_minor": 2500, "currency": "USD", "reference": "bank-1"}
    answers = await asyncio.gather(*(api.post(path, body) for _ in range(8)))
    assert len({created(answer)["id"] for answer in answers}) == 1
    refused(
        await api.post(path, body | {"amount_minor": 1}), 422, "idempotency_mismatch", "reference"
    )
    balance = ok(await api.get(f"/v1/accounts/{wallet.account_id}/balance"))
    assert balance["posted_minor"] == 2500


async def test_a_deposit_cannot_be_sent_twice_by_mistake(api: Api) -> None:
    wallet = await api.new_wallet()
    path = f"/v1/accounts/{wallet.account_id}/deposits"
    body = {"amount_minor": 2500, "currency": "USD"}
    refused(await api.post(path, body), 400, "missing_idempotency_key", "reference")
    first = created(await api.post(path, body, key="dep-" + wallet.customer_id))
    again = await api.post(path, body, key="dep-" + wallet.customer_id)
    assert created(again) == first
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"amount_minor": 0}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 1.5}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 2**63}, 400, "invalid_amount", "amount_minor"),
        ({"currency": "EUR"}, 400, "currency_mismatch", "currency"),
        ({"currency": "XYZ"}, 400, "unknown_currency", "currency"),
    ],
)
async def test_a_deposit_is_refused(
    api: Api, change: Json, status: int, code: str, param: str
) -> None:
    wallet = await api.new_wallet()
    body = {"amount_minor": 100, "currency": "USD", "reference": "bank-1"} | change
    answer = await api.post(f"/v1/accounts/{wallet.account_id}/deposits", body)
    refused(answer, status, code, param)
    # Nothing is left of it, its reference neither.
    good = body | {"amount_minor": 100, "currency": "USD"}
    created(await api.post(f"/v1/accounts/{wallet.account_id}/deposits", good))


async def test_the_house_is_not_paid_into(api: Api) -> None:
    await api.new_wallet()
    body = {"amount_minor": 100, "currency": "USD", "reference": "x"}
    answer = await api.post("/v1/accounts/sys_bank_USD/deposits", body)
    refused(answer, 400, "not_a_customer_account", "id")


async def test_an_unknown_account_is_not_found(api: Api) -> None:
    path = "/v1/accounts/acc_01h455vb4pex5vsknk084sn02q"
    for tail in ("", "/balance", "/transfers"):
        refused(await api.get(path + tail), 404, "account_not_found", "id")
    body = {"amount_minor": 100, "currency": "USD", "reference": "x"}
    refused(await api.post(f"{path}/deposits", body), 404, "account_not_found", "id")


async def test_accounts_and_transfers_are_paged(api: Api) -> None:
    wallet = await api.new_wallet()
    body = {"customer_id": wallet.customer_id, "currency": "EUR", "name": "Second"}
    second = created(await api.post("/v1/accounts", body))["id"]
    page = ok(await api.get("/v1/accounts", customer_id=wallet.customer_id, limit=1))
    assert ([account["id"] for account in page["data"]], page["has_more"]) == ([second], True)
    query = {"customer_id": wallet.customer_id, "starting_after": second}
    page = ok(await api.get("/v1/accounts", **query))
    assert [account["id"] for account in page["data"]] == [wallet.account_id]
    assert page["has_more"] is False

    path = f"/v1/accounts/{wallet.account_id}"
    ids = []
    for number in range(3):
        deposit = {"amount_minor": 5, "currency": "USD", "reference": str(number)}
        ids.append(created(await api.post(f"{path}/deposits", deposit))["id"])
    page = ok(await api.get(f"{path}/transfers", limit=2))
    assert [transfer["id"] for transfer in page["data"]] == ids[:0:-1]
    assert (page["has_more"], page["url"]) == (True, f"{path}/transfers")
    page = ok(await api.get(f"{path}/transfers", limit=2, starting_after=ids[1]))
    assert [transfer["id"] for transfer in page["data"]] == ids[:1]
