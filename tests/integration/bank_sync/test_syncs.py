"""Bank syncs through the real servers: linked, read page by page, applied, told of."""

from typing import Any

import pytest

from perdure.bank_sync.contracts import PROGRESS, Progress
from perdure.operations.model import Status
from perdure.operations.steps import from_json
from tests.polls import eventually

from .bank import left_behind, rows
from .conftest import World


async def test_e2_a_sync_reads_all_pages_and_returns_how_many_it_synced(world: World) -> None:
    """Page by cursor, three looks in parallel, the ledger, progress after each page, the total."""
    item, ours = await world.linked("cus_e2", transactions=50, pending=2, accounts=2)
    ended = await world.house.end_of(ours["syncing"])
    assert ended.status == Status.SUCCEEDED
    assert ended.result is not None
    assert (ended.result["synced"], ended.result["added"], ended.result["pages"]) == (50, 50, 3)
    trail = await world.house.platform.operations.trail(ended.id)
    read = [entry.data for entry in trail if entry.action == "page_read"]
    assert [(one or {})["pages"] for one in read] == [1, 2, 3]
    steps = await world.house.steps(ended.id)
    assert steps.count("fetch_page:succeeded") == 3
    assert {"enrich:succeeded", "categorise:succeeded", "detect_anomalies:succeeded"} <= set(steps)
    assert steps[-1] == "apply:succeeded"
    handle = world.house.platform.client.get_workflow_handle(ended.id)
    returned = await handle.result()
    assert (returned["status"], returned["synced"]) == ("succeeded", 50)
    told = from_json(Progress, await handle.query(PROGRESS))
    assert (told.pages, told.changes, told.has_more) == (3, 50, False)
    pool = world.house.platform.pool
    assert await rows(pool, ours["id"]) == await world.aggregator.standing(item)
    assert await left_behind(pool) == []


async def test_a_webhook_has_its_item_read_and_old_ones_come_to_nothing(world: World) -> None:
    """Signed by a key of the aggregator's; what is not is refused."""
    item, ours = await world.linked("cus_hook", transactions=3)
    await world.house.end_of(ours["syncing"])
    change = {"kind": "added", "transaction_id": "hooked", "amount": "4.20"}
    # Both are sent: one as items told before there were cursors, and one that there are updates.
    await world.aggregator.changes(item, change, webhook=True)

    async def synced() -> bool:
        return len(await rows(world.house.platform.pool, ours["id"])) == 4

    await eventually(synced)
    listed = await world.house.api.get("/v1/bank-syncs", params={"customer_id": "cus_hook"})
    assert len(listed.json()["data"]) == 2
    for headers in ({}, {"Plaid-Verification": "a.b.c"}):
        answer = await world.house.api.post("/v1/callbacks/aggregator", json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_signature"


async def test_an_expired_login_is_seen_at_the_item_until_it_is_repaired(world: World) -> None:
    """By a failed sync or by a webhook; a repaired one is read at once."""
    item, ours = await world.linked("cus_login", transactions=3)
    await world.house.end_of(ours["syncing"])
    await world.aggregator.manner(item, login_required=True)
    failed = await world.sync(ours)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (Status.FAILED, "login_required")
    assert (await world.item(ours["id"]))["status"] == "login_required"
    await world.aggregator.manner(item, login_required=False)
    path = f"/control/items/{item['item_id']}/webhook"
    told: dict[str, Any] = {"webhook_type": "ITEM", "webhook_code": "LOGIN_REPAIRED"}
    await world.aggregator.control.post(path, json=told)

    async def repaired() -> bool:
        found = await world.item(ours["id"])
        return found["status"] == "active" and found["syncing"] is None

    await eventually(repaired)
    told = {
        "webhook_type": "ITEM",
        "webhook_code": "ERROR",
        "fields": {"error": {"error_code": "ITEM_LOGIN_REQUIRED"}},
    }
    await world.aggregator.control.post(path, json=told)

    async def asked() -> bool:
        return bool((await world.item(ours["id"]))["status"] == "login_required")

    await eventually(asked)


async def test_an_item_is_linked_listed_and_unlinked(world: World) -> None:
    """No token is in any view; what was read stays; another customer has nothing of it."""
    item, ours = await world.linked("cus_items", transactions=25, institution="A bank")
    await world.house.end_of(ours["syncing"])
    shown = await world.item(ours["id"])
    assert (shown["institution"], shown["status"]) == ("A bank", "active")
    assert [account["kind"] for account in shown["accounts"]] == ["depository"]
    path = f"/v1/bank-items/{ours['id']}"
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while not pages or pages[-1]["has_more"]:
        params = {"limit": 10, **after}
        pages.append((await world.house.api.get(f"{path}/transactions", params=params)).json())
        after = {"starting_after": pages[-1]["data"][-1]["id"]}
    told = [one for page in pages for one in page["data"]]
    assert {one["id"] for one in told} == set(await world.aggregator.standing(item))
    assert [one["booked_on"] for one in told] == sorted(
        (one["booked_on"] for one in told), reverse=True
    )
    assert all(one["category"]["primary"] and one["entry_id"] for one in told)
    texts = str([shown, pages])
    assert item["access_token"] not in texts
    assert "cursor" not in texts
    with pytest.raises(AssertionError, match="item_linked"):
        await world.link("cus_other", item)
    listed = await world.house.api.get("/v1/bank-items", params={"customer_id": "cus_items"})
    assert [one["id"] for one in listed.json()["data"]] == [ours["id"]]
    unlinked = await world.house.api.delete(path)
    assert unlinked.json()["status"] == "unlinked"
    assert len(await rows(world.house.platform.pool, ours["id"])) == 25
    kept = await world.house.platform.pool.fetchval(
        "SELECT access_token FROM bank_items WHERE id = $1", ours["id"]
    )
    assert kept is None
    body = {"customer_id": "cus_items", "item_id": ours["id"]}
    refused = await world.house.api.post("/v1/bank-syncs", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "item_ended")
    token = await world.house.api.post(
        "/v1/bank-items/link-token", json={"customer_id": "cus_items"}
    )
    assert token.json()["token"].startswith("link")
