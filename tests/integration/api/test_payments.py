"""`/v1/payments`: made, read, listed and cancelled."""

import asyncio
from dataclasses import replace

import pytest
from temporalio.client import Client

from perdure.bootstrap import Platform, compose
from perdure.config import Settings
from perdure.operations import service, store
from perdure.operations.engine import RunState
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.service import OperationService
from perdure.storage.pool import Pool, transaction

from .api_client import Api, created, ok, payment_body, refused
from .conftest import api_on


async def test_a_payment_is_accepted_and_shown(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    payment = created(await api.pay(wallet, reference="inv-1", metadata={"order": "7"}))
    assert payment["object"] == "payment"
    assert payment["id"].startswith("pay_")
    assert (payment["status"], payment["public_status"]) == ("pending", "pending")
    assert (payment["amount_minor"], payment["currency"]) == (1000, "USD")
    assert payment["payee"] == {"name": "Ada", "email": "ada@example.com", "phone": None}
    assert payment["metadata"] == {"order": "7"}
    assert payment["created_at"].endswith("Z")
    assert (payment["failure"], payment["cancel_request"]) == (None, None)
    assert ok(await api.get(f"/v1/payments/{payment['id']}")) == payment


async def test_an_accepted_payment_is_started(
    settings: Settings, platform: Platform, temporal_client: Client, admin_secret: str
) -> None:
    ready = compose(settings, platform.pool, temporal_client)
    async with api_on(ready, admin_secret) as api:
        payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    assert await ready.engine.run_state(payment_id) == RunState.RUNNING
    assert (await ready.operations.get(payment_id)).workflow_started_at is not None
    await temporal_client.get_workflow_handle(payment_id).terminate()


async def test_an_engine_that_hangs_postpones_the_start(
    platform: Platform, admin_secret: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        async def start(self, operation: Operation, *, again: bool = False) -> bool:
            await asyncio.Event().wait()
            return True

    monkeypatch.setattr(service, "LAUNCH_TIMEOUT_S", 0.01)
    operations = OperationService(pool, Hanging())  # type: ignore[arg-type]
    async with api_on(replace(platform, operations=operations), admin_secret) as api:
        payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    assert (await operations.get(payment_id)).workflow_started_at is None


async def test_the_trail_names_the_key_that_asked(api: Api) -> None:
    payment = created(await api.pay(await api.new_wallet(5000)))
    trail = ok(await api.get(f"/v1/operations/{payment['id']}/timeline"))["data"]
    assert [(entry["actor"], entry["action"]) for entry in trail] == [("key:tests", "accepted")]


async def test_the_same_reference_is_the_same_payment(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    first = created(await api.pay(wallet, reference="inv-1"))
    assert created(await api.pay(wallet, reference="inv-1"))["id"] == first["id"]
    other = await api.pay(wallet, reference="inv-1", amount_minor=2000)
    refused(other, 422, "idempotency_mismatch", "reference")
    assert len(await api.payments_of(wallet)) == 1


async def test_an_ended_payment_shows_how_it_ended(api: Api, pool: Pool) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    async with transaction(pool) as connection:
        failure = Failure("card_declined", "The gateway said no.", "payment.charge")
        await store.move(
            connection,
            await store.lock(connection, payment_id),
            Status.FAILED,
            action="closed",
            failure=failure,
        )
    payment = ok(await api.get(f"/v1/payments/{payment_id}"))
    assert (payment["status"], payment["public_status"]) == ("failed", "fail")
    assert payment["failure"]["code"] == "card_declined"
    assert payment["finished_at"] is not None
    answer = await api.post(f"/v1/payments/{payment_id}/cancel", {"reason": "too late"})
    assert "already failed" in refused(answer, 409, "not_cancellable", "id")


async def test_a_payment_is_cancelled_once(api: Api) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    answer = ok(await api.post(f"/v1/payments/{payment_id}/cancel", {"reason": "wrong amount"}))
    assert (answer["object"], answer["accepted"]) == ("cancellation", True)
    assert answer["payment"]["cancel_request"]["reason"] == "wrong amount"
    assert answer["payment"]["cancel_request"]["actor"] == "key:tests"
    again = ok(await api.post(f"/v1/payments/{payment_id}/cancel", {"reason": "again"}))
    assert again["payment"]["cancel_request"]["reason"] == "wrong amount"


async def test_cancelling_needs_a_reason(api: Api) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    path = f"/v1/payments/{payment_id}/cancel"
    refused(await api.post(path, {}), 400, "missing_field", "reason")
    refused(await api.post(path, {"reason": ""}), 400, "invalid_input", "reason")


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for unknown in ("pay_01h455vb4pex5vsknk084sn02q", "nonsense", "é"):
        answer = await api.get(f"/v1/payments/{unknown}")
        refused(answer, 404, "payment_not_found", "id")


async def test_what_can_be_no_id_is_refused(api: Api) -> None:
    for impossible in ("%00", "a%0Ab", "pay_" + "x" * 500):
        answer = await api.get(f"/v1/payments/{impossible}")
        refused(answer, 400, "invalid_input", "payment_id")


async def test_the_engine_is_asked_for_its_own_word(api: Api) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    answer = await api.get(f"/v1/payments/{payment_id}/workflow")
    refused(answer, 503, "engine_unavailable")
    assert "Retry-After" in answer.headers


async def test_lists_are_read_both_ways(api: Api) -> None:
    wallet = await api.new_wallet(100_000)
    newest_first = [created(await api.pay(wallet))["id"] for _ in range(7)][::-1]
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = ok(await api.get("/v1/payments", customer_id=wallet.customer_id, limit=3, **cursor))
        pages.append([payment["id"] for payment in page["data"]])
        cursor = {"starting_after": pages[-1][-1]}
        assert (page["object"], page["url"]) == ("list", "/v1/payments")
        assert page["has_more"] is (len(pages) < 3)
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]]

    query = {"customer_id": wallet.customer_id, "ending_before": newest_first[6]}
    page = ok(await api.get("/v1/payments", limit=3, **query))
    assert [payment["id"] for payment in page["data"]] == newest_first[3:6]
    assert page["has_more"] is True
    query["ending_before"] = newest_first[3]
    page = ok(await api.get("/v1/payments", limit=3, **query))
    assert [payment["id"] for payment in page["data"]] == newest_first[:3]
    assert page["has_more"] is False


async def test_lists_are_filtered(api: Api) -> None:
    wallet, other = await api.new_wallet(5000), await api.new_wallet(5000)
    named = created(await api.pay(wallet, reference="inv-1"))
    await api.pay(wallet)
    await api.pay(other, reference="inv-1")
    mine = {"customer_id": wallet.customer_id}

    async def ids(**query: object) -> list[str]:
        data = ok(await api.get("/v1/payments", **mine | query))["data"]
        return [payment["id"] for payment in data]

    assert len(await ids()) == 2
    assert await ids(reference="inv-1") == [named["id"]]
    assert len(await ids(status="pending")) == 2
    assert await ids(status="succeeded") == []


async def test_a_list_refuses_what_it_does_not_know(api: Api) -> None:
    ask = api.get
    refused(await ask("/v1/payments", limit=0), 400, "invalid_input", "limit")
    refused(await ask("/v1/payments", limit=101), 400, "invalid_input", "limit")
    refused(await ask("/v1/payments", limit="ten"), 400, "invalid_input", "limit")
    refused(await ask("/v1/payments", status="done"), 400, "invalid_input", "status")
    refused(await ask("/v1/payments", custmer_id="cus_1"), 400, "unknown_field", "custmer_id")
    refused(await ask("/v1/payments", customer_id="a\x00"), 400, "invalid_input", "customer_id")
    both = await ask("/v1/payments", starting_after="pay_1", ending_before="pay_2")
    refused(both, 400, "two_cursors", "ending_before")


async def test_an_id_of_another_kind_is_no_payment(api: Api, pool: Pool) -> None:
    payment_id = created(await api.pay(await api.new_wallet(5000)))["id"]
    await pool.execute("UPDATE operations SET kind = 'transfer' WHERE id = $1", payment_id)
    refused(await api.get(f"/v1/payments/{payment_id}"), 404, "payment_not_found", "id")
    assert ok(await api.get(f"/v1/operations/{payment_id}"))["kind"] == "transfer"


async def test_a_payment_needs_all_its_fields(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    for field in ("customer_id", "account_id", "amount_minor", "currency", "payment_method"):
        body = {name: value for name, value in payment_body(wallet).items() if name != field}
        refused(await api.post("/v1/payments", body), 400, "missing_field", field)
