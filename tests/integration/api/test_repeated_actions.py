"""An action on an operation under an Idempotency-Key: done once, and answered as the first time."""

import asyncio
from uuid import uuid4

import pytest

from perdure.operations.model import Status
from perdure.storage.pool import Pool

from .api_client import Api, created, ok, refused
from .test_operations import move, new_payment

WHY = {"reason": "because"}


async def actions_on(api: Api, operation_id: str) -> list[str]:
    told = ok(await api.get(f"/v1/operations/{operation_id}/timeline"))["data"]
    return [entry["action"] for entry in told if entry["object"] == "operation_event"]


@pytest.mark.parametrize("group", ["operations", "payments"])
async def test_an_action_is_done_once_with_its_key_whatever_came_since(
    api: Api, pool: Pool, group: str
) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    path = f"/v1/{group}/{payment_id}/cancel"
    first = await api.post(path, WHY, key)
    await move(pool, payment_id, Status.SUCCEEDED, "settled")
    again = await api.post(path, WHY, key)
    assert (ok(first), again.content) == (ok(again), first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(await api.post(path, {"reason": "other"}, key), 422, "idempotency_key_reused")
    refused(await api.post(path, WHY, uuid4().hex), 409, "not_cancellable", "id")


async def test_a_repeated_request_does_not_undo_what_came_since(api: Api) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    path = f"/v1/operations/{payment_id}"
    parked = await api.post(f"{path}/park", WHY, key)
    corrected = {**WHY, "patch": {"description": "Rent"}, "go_on": False}
    first = await api.post(f"{path}/correct", corrected, f"{key}-correct")
    assert ok(first)["request"]["description"] == "Rent"
    ok(await api.post(f"{path}/release", WHY, f"{key}-release"))
    assert (await api.post(f"{path}/park", WHY, key)).content == parked.content
    again = await api.post(f"{path}/correct", corrected, f"{key}-correct")
    assert again.content == first.content
    assert ok(await api.get(path))["status"] == "pending"
    acted = await actions_on(api, payment_id)
    assert [acted.count(name) for name in ("parked", "corrected", "released")] == [1, 1, 1]


async def test_a_refusal_is_not_kept_as_something_may_be_done_about_it(api: Api) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    path = f"/v1/operations/{payment_id}"
    refused(await api.post(f"{path}/resume", WHY, key), 409, "not_parked")
    ok(await api.post(f"{path}/park", WHY))
    ok(await api.post(f"{path}/resume", WHY, key))


async def test_what_is_not_paid_for_is_the_answer_as_when_it_was_made(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    payment_id, key = await new_payment(api, wallet), uuid4().hex
    await move(pool, payment_id, Status.FAILED, "failed")
    path, freeze = f"/v1/operations/{payment_id}/relaunch", "UPDATE ledger_accounts SET status = $2"
    await pool.execute(f"{freeze} WHERE id = $1", wallet.account_id, "frozen")
    first = await api.post(path, WHY, key)
    refused(first, 402, "account_not_open", "account_id")
    await pool.execute(f"{freeze} WHERE id = $1", wallet.account_id, "open")
    again = await api.post(path, WHY, key)
    assert (again.status_code, again.content) == (402, first.content)
    new = ok(await api.post(path, WHY, f"{key}-again"))
    assert new["relaunch_of"] == payment_id
    assert ok(await api.post(path, WHY, f"{key}-again")) == new


async def test_money_is_given_back_once_for_a_request_that_comes_late(api: Api, pool: Pool) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    await move(pool, payment_id, Status.SUCCEEDED, "settled")
    path = f"/v1/payments/{payment_id}/refund"
    refund = ok(await api.post(path, WHY, key))
    assert ok(await api.post(path, WHY, uuid4().hex))["id"] == refund["id"]
    # It came to nothing, as the provider said no: it may be asked for anew, and not by the old one.
    await move(pool, refund["id"], Status.FAILED, "closed")
    await pool.execute("UPDATE operations SET refunded_by = NULL WHERE id = $1", payment_id)
    assert ok(await api.post(path, WHY, key)) == refund
    other = ok(await api.post(path, WHY, uuid4().hex))
    assert other["id"] != refund["id"]


async def test_of_two_at_once_one_acts(api: Api) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    path = f"/v1/operations/{payment_id}/park"
    both = await asyncio.gather(*(api.post(path, WHY, key) for _ in range(2)))
    done = [answer for answer in both if answer.status_code == 200]
    assert {answer.content for answer in done} == {done[0].content}
    for answer in both:
        if answer.status_code != 200:
            refused(answer, 409, "idempotency_key_in_use")
    assert (await actions_on(api, payment_id)).count("parked") == 1


async def test_so_are_actions_on_bulks(api: Api) -> None:
    payment_id, key = await new_payment(api), uuid4().hex
    body = {"action": "park", "ids": [payment_id], **WHY}
    path = f"/v1/bulks/{created(await api.post('/v1/bulks', body))['id']}"
    paused = await api.post(f"{path}/pause", WHY, key)
    slower = await api.post(f"{path}/rate", {"rate_per_s": 2, **WHY}, f"{key}-rate")
    ok(await api.post(f"{path}/rate", {"rate_per_s": 3, **WHY}))
    ok(await api.post(f"{path}/resume", WHY, f"{key}-resume"))
    assert (await api.post(f"{path}/pause", WHY, key)).content == paused.content
    again = await api.post(f"{path}/rate", {"rate_per_s": 2, **WHY}, f"{key}-rate")
    assert again.content == slower.content
    now = ok(await api.get(path))
    assert (now["rate_per_s"], now["is_paused"]) == (3, False)
