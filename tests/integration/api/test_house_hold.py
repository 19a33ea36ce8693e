"""What the house holds, no customer's key lifts; and nothing of the house is told to a customer."""

from typing import Any

import pytest

from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.operations.refusals import KEPT_MAX
from perdure.storage.pool import Pool

from .api_client import Api, Json, created, ok, refused

SECRET_REASON = "Interpol asked us to"
HOUSE = "key:tests"


@pytest.fixture
async def customer(api: Api, pool: Pool) -> tuple[Api, str]:
    """A customer's key, and the path of a payment of theirs."""
    wallet = await api.new_wallet(5000)
    _, secret = await create_key(pool, "shop", [ADMIN], wallet.customer_id)
    shop = api.as_key(secret)
    return shop, f"/v1/operations/{created(await shop.pay(wallet))['id']}"


async def act(api: Api, path: str, action: str, reason: str = "ours", **more: object) -> Json:
    return ok(await api.post(f"{path}/{action}", {"reason": reason} | more))


LIFTING: list[tuple[str, dict[str, Any]]] = [
    ("release", {}),
    ("relaunch", {}),
    ("resume", {}),
    ("cancel", {}),
    ("park", {}),
    ("correct", {"patch": {"description": "mine"}}),
]


async def test_no_customer_lifts_what_the_house_holds(api: Api, customer: tuple[Api, str]) -> None:
    shop, path = customer
    await act(api, path, "park", SECRET_REASON)
    for action, more in LIFTING:
        answer = await shop.post(f"{path}/{action}", {"reason": "please"} | more)
        assert "The house holds it" in refused(answer, 409, "held_by_house", "id")
    payment = path.replace("operations", "payments")
    refused(await shop.post(f"{payment}/cancel", {"reason": "x"}), 409, "held_by_house", "id")
    seen = ok(await shop.get(path))
    assert (seen["status"], seen["next_actions"]) == ("needs_attention", [])
    assert set(ok(await api.get(path))["next_actions"]) == {
        "relaunch",
        "release",
        "correct",
        "cancel",
    }
    assert (await act(api, path, "release"))["status"] == "pending"
    assert (await act(shop, path, "park"))["status"] == "needs_attention"
    assert (await act(shop, path, "release"))["status"] == "pending"


async def test_the_house_takes_over_what_a_customer_holds(
    api: Api, customer: tuple[Api, str]
) -> None:
    shop, path = customer
    await act(shop, path, "park", "wait for me")
    assert "park" in ok(await api.get(path))["next_actions"]
    await act(api, path, "park", SECRET_REASON)
    refused(await shop.post(f"{path}/release", {"reason": "x"}), 409, "held_by_house", "id")
    refused(await api.post(f"{path}/park", {"reason": "x"}), 409, "already_parked", "id")
    assert (await act(api, path, "release"))["status"] == "pending"


async def test_nothing_of_the_house_is_told_to_a_customer(
    api: Api, customer: tuple[Api, str]
) -> None:
    shop, path = customer
    await act(api, path, "park", SECRET_REASON)
    patch = {"description": "as they asked"}
    await act(api, path, "correct", SECRET_REASON, patch=patch, go_on=False)
    bulk = {"action": "park", "reason": SECRET_REASON, "ids": [path.rpartition("/")[2]]}
    refused(await api.post(f"{path}/park", {"reason": SECRET_REASON}), 409, "already_parked", "id")
    created(await api.post("/v1/bulks", bulk))
    held = await shop.get(path)
    await act(api, path, "cancel", SECRET_REASON)
    payment = path.replace("operations", "payments")
    told = [
        held,
        *[await shop.get(place) for place in (path, payment, f"{path}/timeline", "/v1/payments")],
        await shop.post(f"{path}/cancel", {"reason": "mine"}),
    ]
    for answer in told:
        assert SECRET_REASON not in answer.text
        assert HOUSE not in answer.text
        assert "blk_" not in answer.text
    failure = ok(held)["failure"]
    assert (failure["code"], failure["message"]) == ("parked_by_operator", "The house holds it.")
    cancel = ok(await shop.get(path))["cancel_request"]
    assert (cancel["actor"], cancel["reason"]) == ("house", None)
    entries = ok(await shop.get(f"{path}/timeline"))["data"]
    assert [(entry["action"], entry["actor"]) for entry in entries] == [
        ("accepted", "customer_key:shop"),
        ("parked", "house"),
        ("corrected", "house"),
        ("park_refused", "house"),
        ("cancel_requested", "house"),
    ]
    # The house itself sees all of it.
    assert SECRET_REASON in (await api.get(f"{path}/timeline")).text
    assert ok(await api.get(path))["cancel_request"]["actor"] == HOUSE


async def test_events_tell_a_customer_what_the_timeline_does(
    server: Api, customer: tuple[Api, str]
) -> None:
    shop, path = customer
    await act(server, path, "park", SECRET_REASON)
    await act(server, path, "release", SECRET_REASON)
    lines: list[str] = []
    headers = {"Authorization": f"Bearer {shop.secret}"}
    async with server.http.stream("GET", f"{path}/events", headers=headers) as response:
        async for line in response.aiter_lines():
            lines.append(line)
            if '"released"' in line:
                break
    text = "".join(lines)
    assert '"actor":"customer_key:shop"' in text
    assert '"actor":"house"' in text
    assert SECRET_REASON not in text
    assert HOUSE not in text


async def test_a_loop_of_refusals_does_not_grow_the_trail(
    api: Api, pool: Pool, customer: tuple[Api, str]
) -> None:
    shop, path = customer
    await act(api, path, "park")
    count = "SELECT count(*) FROM operation_trail WHERE operation_id = $1"
    before = await pool.fetchval(count, path.rpartition("/")[2])
    for _ in range(KEPT_MAX // 2 + 5):
        for action in ("cancel", "release"):
            answer = await shop.post(f"{path}/{action}", {"reason": "again"})
            refused(answer, 409, "held_by_house", "id")
    assert await pool.fetchval(count, path.rpartition("/")[2]) == before + KEPT_MAX
    refused(await api.post(f"{path}/park", {"reason": "x"}), 409, "already_parked", "id")
    assert await pool.fetchval(count, path.rpartition("/")[2]) == before + KEPT_MAX + 1
