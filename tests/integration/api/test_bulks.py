"""Bulks over HTTP; Temporal is away here, so none of them is carried out."""

from uuid import uuid4

import pytest

from perdure.api.keys import create_key
from perdure.core.errors import InvalidInput
from perdure.storage.pool import Pool

from .api_client import Api, Json, Wallet, created, ok, refused


@pytest.fixture
async def wallet(api: Api) -> Wallet:
    """A customer with five payments."""
    wallet = await api.new_wallet(10_000)
    for _ in range(5):
        created(await api.pay(wallet))
    return wallet


def bulk_body(wallet: Wallet, **changes: object) -> Json:
    query = {"kind": "payment", "customer_id": wallet.customer_id}
    return {"action": "park", "reason": "because", "query": query} | changes


async def test_a_dry_run_tells_and_stores_nothing_r8(api: Api, wallet: Wallet) -> None:
    before = ok(await api.get("/v1/bulks"))["data"]
    preview = ok(await api.post("/v1/bulks", bulk_body(wallet, dry_run=True)))
    assert preview["object"] == "bulk_preview"
    assert (preview["count"], preview["by_status"]) == (5, {"pending": 5})
    assert (preview["confirmation_needed"], preview["unknown"]) == (False, 0)
    assert {operation["customer_id"] for operation in preview["sample"]} == {wallet.customer_id}
    assert ok(await api.get("/v1/bulks"))["data"] == before


async def test_a_bulk_is_made_once_with_its_key_and_found_r8(api: Api, wallet: Wallet) -> None:
    key = uuid4().hex
    body = bulk_body(wallet, rate_per_s=20, confirm_count=5)
    bulk = created(await api.post("/v1/bulks", body, key))
    assert created(await api.post("/v1/bulks", body, key)) == bulk
    assert (bulk["action"], bulk["status"], bulk["counted"]) == ("park", "pending", 5)
    assert (bulk["actor"], bulk["reason"], bulk["rate_per_s"]) == ("key:tests", "because", 20.0)
    assert bulk["query"] == body["query"]
    path = f"/v1/bulks/{bulk['id']}"
    assert ok(await api.get(path))["progress"] == bulk["progress"]
    page = ok(await api.get("/v1/bulks", limit=1))
    assert [found["id"] for found in page["data"]] == [bulk["id"]]
    operation = ok(await api.get(f"/v1/operations/{bulk['id']}"))
    assert (operation["kind"], operation["request"]["action"]) == ("bulk", "park")


async def test_a_list_is_put_together_in_parts_and_does_nothing_by_itself_r8(
    api: Api, wallet: Wallet
) -> None:
    ids = [payment["id"] for payment in await api.payments_of(wallet)]
    key = uuid4().hex
    begun = created(await api.post("/v1/bulks/lists", {}, key))
    assert created(await api.post("/v1/bulks/lists", {}, key)) == begun
    path = f"/v1/bulks/lists/{begun['id']}/ids"
    counts = [
        ok(await api.post(path, {"ids": part}))["count"] for part in (ids[:3], ids[:3], ids[2:])
    ]
    assert (begun["count"], counts) == (0, [3, 3, 5])
    assert {found["status"] for found in await api.payments_of(wallet)} == {"pending"}

    body = {"action": "park", "reason": "because", "list_id": begun["id"]}
    assert ok(await api.post("/v1/bulks", body | {"dry_run": True}))["count"] == 5
    few = await api.post("/v1/bulks", body | {"confirm_count": 4})
    refused(few, 409, "count_changed", "confirm_count")
    bulk = created(await api.post("/v1/bulks", body | {"confirm_count": 5}))
    assert (bulk["counted"], bulk["query"]) == (5, None)
    refused(await api.post("/v1/bulks", body), 409, "bulk_list_taken", "list_id")
    refused(await api.post(path, {"ids": ids}), 409, "bulk_list_taken", "list_id")
    unknown = body | {"list_id": "bll_x"}
    refused(await api.post("/v1/bulks", unknown), 404, "bulk_list_not_found", "list_id")
    refused(await api.post("/v1/bulks", body | {"ids": ids}), 400, "missing_field", "query")


async def test_a_bulk_is_paused_resumed_slowed_and_stopped_r8(api: Api, wallet: Wallet) -> None:
    bulk = created(await api.post("/v1/bulks", bulk_body(wallet)))
    path = f"/v1/bulks/{bulk['id']}"
    why = {"reason": "wait"}
    paused = ok(await api.post(f"{path}/pause", why))
    assert (paused["is_paused"], paused["status"]) == (True, "needs_attention")
    refused(await api.post(f"{path}/pause", why), 409, "already_parked", "id")
    assert ok(await api.post(f"{path}/resume", why))["is_paused"] is False
    slowed = ok(await api.post(f"{path}/rate", why | {"rate_per_s": 0.5}))
    assert slowed["rate_per_s"] == 0.5
    answer = await api.post(f"{path}/rate", why | {"rate_per_s": 0})
    refused(answer, 400, "invalid_rate", "rate_per_s")
    stopped = ok(await api.post(f"{path}/stop", why))
    assert stopped["cancel_request"]["actor"] == "key:tests"
    refused(await api.post(f"{path}/undo", why), 409, "bulk_under_way", "id")


async def test_operations_named_by_their_ids_are_listed_in_that_order(
    api: Api, wallet: Wallet
) -> None:
    ids = [payment["id"] for payment in await api.payments_of(wallet)][:3]
    body = {"action": "cancel", "reason": "because", "ids": ids}
    bulk = created(await api.post("/v1/bulks", body))
    path = f"/v1/bulks/{bulk['id']}/items"
    page = ok(await api.get(path, limit=2))
    assert [item["operation_id"] for item in page["data"]] == ids[:2]
    assert page["has_more"] is True
    page = ok(await api.get(path, state="pending", starting_after=2))
    assert [(item["number"], item["operation_id"]) for item in page["data"]] == [(3, ids[2])]
    refused(
        await api.post(f"/v1/bulks/{bulk['id']}/undo", {"reason": "x"}), 409, "not_undoable", "id"
    )


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"action": "delete"}, (400, "unknown_action", "action")),
        ({"action": "correct"}, (400, "missing_field", "patch")),
        ({"patch": {"a": 1}}, (400, "unknown_field", "patch")),
        ({"ids": ["pay_1"]}, (400, "missing_field", "query")),
        ({"query": None}, (400, "missing_field", "query")),
        ({"query": {"colour": "red"}}, (400, "unknown_field", "query.colour")),
        (
            {"query": {"created_after": "2026-01-01T00:00:00"}},
            (400, "invalid_input", "query.created_after"),
        ),
        ({"query": {"status": "stuck"}}, (400, "invalid_input", "query.status")),
        ({"query": {}}, (409, "confirmation_required", "confirm_count")),
        ({"confirm_count": 4}, (409, "count_changed", "confirm_count")),
        ({"query": {"customer_id": "nobody"}}, (409, "nothing_selected", None)),
        ({"reason": ""}, (400, "invalid_input", "reason")),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: Api, wallet: Wallet, changes: Json, refusal: tuple[int, str, str | None]
) -> None:
    refused(await api.post("/v1/bulks", bulk_body(wallet) | changes), *refusal)


async def test_customers_see_and_make_no_bulks(api: Api, wallet: Wallet, pool: Pool) -> None:
    bulk = created(await api.post("/v1/bulks", bulk_body(wallet)))
    _, secret = await create_key(pool, "customer", ["admin"], wallet.customer_id)
    customer = api.as_key(secret)
    refused(await customer.get("/v1/bulks"), 403, "house_only")
    refused(await customer.get(f"/v1/bulks/{bulk['id']}"), 403, "house_only")
    refused(await customer.post("/v1/bulks", bulk_body(wallet)), 403, "house_only")
    answer = await customer.get(f"/v1/operations/{bulk['id']}")
    refused(answer, 404, "operation_not_found", "id")
    with pytest.raises(InvalidInput):
        await create_key(pool, "sly", ["operations:read"], "house")
    refused(await api.get("/v1/bulks/pay_1"), 404, "bulk_not_found", "id")
