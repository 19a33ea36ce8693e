"""What customers and operators do to operations through the API, whatever carries them out."""

from typing import Any

import pytest

from perdure.api.keys import create_key
from perdure.storage.pool import transaction
from tests.integration.payments.town import Town

from .operators import accepted_payment, check_paid_once, waiting_payment

REASON = {"reason": "Looked into it."}


async def post(town: Town, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await town.api.post(f"/v1/operations/{path}", json=body or REASON)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_operation_is_parked_corrected_and_released_through_the_api_r7(
    town: Town,
) -> None:
    account = await town.account()
    payment_id = await waiting_payment(town, account)
    shown = (await town.api.get(f"/v1/operations/{payment_id}")).json()
    assert shown["next_actions"] == ["park", "cancel"]
    parked = await post(town, f"{payment_id}/park")
    assert (parked["status"], parked["failure"]["code"]) == (
        "needs_attention",
        "parked_by_operator",
    )
    assert parked["next_actions"] == ["relaunch", "release", "correct", "cancel"]
    body = {**REASON, "patch": {"description": "Rent"}, "go_on": False}
    corrected = await post(town, f"{payment_id}/correct", body)
    assert corrected["request"]["description"] == "Rent"
    assert corrected["status"] == "needs_attention"
    released = await post(town, f"{payment_id}/release")
    assert released["failure"] is None
    await check_paid_once(town, payment_id, account)
    assert (await town.api.get(f"/v1/payments/{payment_id}")).json()["description"] == "Rent"


async def test_a_failed_operation_and_the_one_that_does_it_again_name_each_other(
    town: Town,
) -> None:
    account = await town.account()
    failed = await town.pay(account, token="tok_declined")
    await town.end_of(failed)
    new = await post(town, f"{failed}/relaunch")
    assert (new["object"], new["relaunch_of"]) == ("operation", failed)
    assert (await town.api.get(f"/v1/payments/{failed}")).json()["relaunched_as"] == new["id"]
    again = await town.api.post(f"/v1/operations/{failed}/relaunch", json=REASON)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_relaunched")
    await town.end_of(new["id"])


@pytest.mark.parametrize("action", ["relaunch", "park", "release", "correct"])
async def test_every_action_has_a_reason(town: Town, action: str) -> None:
    payment_id = await town.pay(await town.account())
    body = {"patch": {"description": "Rent"}} if action == "correct" else {}
    answer = await town.api.post(f"/v1/operations/{payment_id}/{action}", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "reason")
    await town.end_of(payment_id)


@pytest.mark.parametrize("lane", [None, 1])
async def test_customers_follow_and_stop_their_own_operations_whatever_carries_them_out_r6(
    town: Town, lane: int | None
) -> None:
    mine, theirs = await town.account(), await town.account()
    scopes = ["operations:read", "operations:write"]
    async with transaction(town.platform.pool) as connection:
        _, secret = await create_key(
            connection, f"of-{mine['customer_id']}", scopes, customer_id=mine["customer_id"]
        )
    headers = {"Authorization": f"Bearer {secret}"}
    payments = []
    for account in (mine, theirs):
        operation = await accepted_payment(town, account, lane=lane, token="tok_no_callback")
        await town.platform.operations.begin(operation)
        await town.until(operation.id, {"waiting"})
        payments.append(operation.id)
    listed = (await town.api.get("/v1/operations", headers=headers)).json()["data"]
    assert [(found["id"], found["status"]) for found in listed] == [(payments[0], "waiting")]
    for action in ("park", "cancel", "relaunch"):
        path = f"/v1/operations/{payments[1]}/{action}"
        assert (await town.api.post(path, json=REASON, headers=headers)).status_code == 404
    path = f"/v1/operations/{payments[0]}"
    assert (await town.api.post(f"{path}/cancel", json=REASON, headers=headers)).is_success
    await town.end_of(payments[0])
    shown = (await town.api.get(path, headers=headers)).json()
    assert (shown["status"], shown["next_actions"]) == ("cancelled", ["relaunch"])
    timeline = (await town.api.get(f"{path}/timeline", headers=headers)).json()["data"]
    told = [entry["action"] for entry in timeline if entry["object"] == "operation_event"]
    assert (told[0], told[-1]) == ("accepted", "closed")
    await check_paid_once(town, payments[1], theirs)
