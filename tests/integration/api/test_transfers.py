"""`/v1/transfers`: made, read, listed and cancelled, as payments are."""

import pytest
from temporalio.client import Client

from perdure.api.keys import create_key
from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.operations import store
from perdure.operations.engine import RunState
from perdure.operations.model import Status
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Json, Wallet, created, ok, refused
from .conftest import api_on

IBAN = "DE89370400440532013000"


def transfer_body(wallet: Wallet) -> Json:
    return {
        "customer_id": wallet.customer_id,
        "account_id": wallet.account_id,
        "amount_minor": 1000,
        "currency": "USD",
        "destination": IBAN,
        "customer": {"name": "Ada", "email": "ada@example.com"},
    }


async def made(api: Api, wallet: Wallet, *, key: str | None = None, **changes: object) -> Json:
    return created(await api.post("/v1/transfers", transfer_body(wallet) | changes, key))


async def test_a_transfer_is_accepted_and_shown(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    transfer = await made(api, wallet, reference="rent", metadata={"month": "11"})
    assert transfer["object"] == "transfer"
    assert transfer["id"].startswith("tfr_")
    assert transfer["status"] == "pending"
    assert (transfer["amount_minor"], transfer["currency"]) == (1000, "USD")
    assert transfer["destination"] == IBAN
    assert transfer["customer"] == {"name": "Ada", "email": "ada@example.com", "phone": None}
    assert transfer["metadata"] == {"month": "11"}
    assert (transfer["payout_id"], transfer["failure"]) == (None, None)
    assert ok(await api.get(f"/v1/transfers/{transfer['id']}")) == transfer
    assert ok(await api.get(f"/v1/operations/{transfer['id']}"))["kind"] == "transfer"


async def test_an_accepted_transfer_is_started(
    settings: Settings, platform: Platform, temporal_client: Client, admin_secret: str
) -> None:
    ready = compose(settings, platform.pool, temporal_client)
    async with api_on(ready, admin_secret) as api:
        transfer_id = (await made(api, await api.new_wallet(5000)))["id"]
    assert await ready.engine.run_state(transfer_id) == RunState.RUNNING
    await temporal_client.get_workflow_handle(transfer_id).terminate()


async def test_a_transfer_that_succeeded_shows_the_payout(api: Api, pool: Pool) -> None:
    transfer_id = (await made(api, await api.new_wallet(5000)))["id"]
    async with transaction(pool) as connection:
        await store.move(
            connection,
            await store.lock(connection, transfer_id),
            Status.SUCCEEDED,
            action="settled",
            result={"payout": {"payout_id": "po_7", "status": "paid", "failure_code": None}},
        )
    transfer = ok(await api.get(f"/v1/transfers/{transfer_id}"))
    assert (transfer["status"], transfer["payout_id"]) == ("succeeded", "po_7")
    answer = await api.post(f"/v1/transfers/{transfer_id}/cancel", {"reason": "too late"})
    assert "already succeeded" in refused(answer, 409, "not_cancellable", "id")


async def test_the_same_key_is_the_same_transfer(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    key = f"rent-{wallet.customer_id}"
    first = await made(api, wallet, key=key)
    answer = await api.post("/v1/transfers", transfer_body(wallet), key)
    assert created(answer) == first
    assert answer.headers["Idempotent-Replayed"] == "true"
    other = transfer_body(wallet) | {"amount_minor": 7}
    refused(await api.post("/v1/transfers", other, key), 422, "idempotency_key_reused")


async def test_the_same_reference_is_the_same_transfer(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    first = await made(api, wallet, reference="rent")
    assert (await made(api, wallet, reference="rent"))["id"] == first["id"]
    other = transfer_body(wallet) | {"reference": "rent", "destination": "dest_ok"}
    refused(await api.post("/v1/transfers", other), 422, "idempotency_mismatch", "reference")


async def test_a_transfer_is_cancelled_once(api: Api) -> None:
    transfer_id = (await made(api, await api.new_wallet(5000)))["id"]
    path = f"/v1/transfers/{transfer_id}/cancel"
    answer = ok(await api.post(path, {"reason": "wrong amount"}))
    assert (answer["object"], answer["accepted"]) == ("cancellation", True)
    assert answer["transfer"]["cancel_request"]["actor"] == "key:tests"
    again = ok(await api.post(path, {"reason": "again"}))
    assert again["transfer"]["cancel_request"]["reason"] == "wrong amount"
    refused(await api.post(path, {}), 400, "missing_field", "reason")


async def test_transfers_are_listed_and_no_other_kind(api: Api) -> None:
    wallet = await api.new_wallet(100_000)
    newest_first = [(await made(api, wallet))["id"] for _ in range(5)][::-1]
    created(await api.pay(wallet))
    mine = {"customer_id": wallet.customer_id}
    page = ok(await api.get("/v1/transfers", limit=3, **mine))
    assert [transfer["id"] for transfer in page["data"]] == newest_first[:3]
    assert (page["url"], page["has_more"]) == ("/v1/transfers", True)
    page = ok(await api.get("/v1/transfers", starting_after=newest_first[2], **mine))
    assert [transfer["id"] for transfer in page["data"]] == newest_first[3:]
    assert page["has_more"] is False
    assert len(await api.payments_of(wallet)) == 1
    refused(await api.get("/v1/transfers", kind="payment"), 400, "unknown_field", "kind")


async def test_an_id_of_another_kind_is_no_transfer(api: Api) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    for unknown in (payment_id, "tfr_01h455vb4pex5vsknk084sn02q"):
        refused(await api.get(f"/v1/transfers/{unknown}"), 404, "transfer_not_found", "id")
        answer = await api.post(f"/v1/transfers/{unknown}/cancel", {"reason": "x"})
        refused(answer, 404, "transfer_not_found", "id")
    assert ok(await api.get(f"/v1/payments/{payment_id}"))["cancel_request"] is None


async def test_a_customers_key_sees_and_makes_only_its_own(api: Api, pool: Pool) -> None:
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    scopes = ["transfers:read", "transfers:write"]
    _, secret = await create_key(pool, "shop", scopes, mine.customer_id)
    customer = api.as_key(secret)
    theirs = (await made(api, other))["id"]
    own = (await made(customer, mine))["id"]
    refused(await customer.get(f"/v1/transfers/{theirs}"), 404, "transfer_not_found", "id")
    answer = await customer.post("/v1/transfers", transfer_body(other))
    refused(answer, 403, "other_customer", "customer_id")
    listed = ok(await customer.get("/v1/transfers"))["data"]
    assert [transfer["id"] for transfer in listed] == [own]


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"amount_minor": 0}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 10.5}, 400, "invalid_amount", "amount_minor"),
        ({"amount_minor": 1_000_001}, 402, "amount_over_limit", "amount_minor"),
        ({"amount_minor": 5001}, 402, "insufficient_funds", "amount_minor"),
        ({"currency": "XYZ"}, 400, "unknown_currency", "currency"),
        ({"currency": "EUR"}, 400, "currency_mismatch", "currency"),
        ({"account_id": "nonsense"}, 400, "invalid_id", "account_id"),
        ({"customer_id": "cus_somebody_else"}, 404, "account_not_found", "account_id"),
        ({"destination": ""}, 400, "invalid_input", "destination"),
        ({"destination": " "}, 400, "invalid_input", "destination"),
        ({"customer": {"email": "nobody"}}, 400, "invalid_input", "customer.email"),
        ({"customer": {"phone": "0123"}}, 400, "invalid_input", "customer.phone"),
        ({"payee": {"name": "Ada"}}, 400, "unknown_field", "payee"),
    ],
)
async def test_a_transfer_is_refused(
    api: Api, change: Json, status: int, code: str, param: str
) -> None:
    wallet = await api.new_wallet(5000)
    answer = await api.post("/v1/transfers", transfer_body(wallet) | change)
    assert refused(answer, status, code, param)
    assert ok(await api.get("/v1/transfers", customer_id=wallet.customer_id))["data"] == []


async def test_a_transfer_needs_all_its_fields(api: Api) -> None:
    body = transfer_body(await api.new_wallet(5000))
    for field in ("customer_id", "account_id", "amount_minor", "currency", "destination"):
        less = {name: value for name, value in body.items() if name != field}
        refused(await api.post("/v1/transfers", less), 400, "missing_field", field)
