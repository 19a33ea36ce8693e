"""What has succeeded is given back once: at the provider, on our books, and to the customer."""

import asyncio

import pytest

from perdure.api.keys import create_key
from perdure.core.ids import TRANSFER, derived_id
from perdure.operations.allowed import Action, next_actions
from perdure.storage.pool import transaction
from tests.integration.payments.town import Town
from tests.integration.renewals.renewals import domain, ended, standings

from .refunds import (
    FUNDS_MINOR,
    KINDS,
    broken,
    check_balance,
    done,
    misbehaves,
    refund,
    told,
)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_has_succeeded_is_refunded_once_r3(town: Town, kind: str) -> None:
    found = await done(town, kind)
    shown = (await town.api.get(f"/v1/operations/{found.id}")).json()
    assert (shown["refunded_by"], shown["next_actions"]) == (None, ["refund"])
    answer = await town.api.post(f"/v1/{kind}s/{found.id}/refund", json={"reason": "Not wanted."})
    assert answer.status_code == 200, answer.text
    asked = answer.json()
    assert (asked["kind"], asked["refund_of"]) == ("refund", found.id)
    ended_refund = await town.end_of(asked["id"])
    assert ended(ended_refund) == ("succeeded", None)
    assert ended_refund.customer_id == found.account["customer_id"]
    assert ended_refund.result is not None
    assert ended_refund.result["amount_minor"] == found.amount_minor
    assert KINDS[kind].entry in ended_refund.result
    assert await KINDS[kind].given_back(town, found) == 1
    await check_balance(town, found, FUNDS_MINOR)
    async with town.platform.pool.acquire() as connection:
        entry = await town.platform.ledger.get_transfer(
            connection, derived_id(TRANSFER, asked["id"], "reverse")
        )
    assert entry.debit_account_id == f"sys_{KINDS[kind].taken_by}_USD"
    assert entry.credit_account_id == found.account["account_id"]
    # What was refunded stays succeeded, and says what became of it.
    shown = (await town.api.get(f"/v1/{kind}s/{found.id}")).json()
    assert (shown["status"], shown["refunded_by"]) == ("succeeded", asked["id"])
    assert await told(town, found.id) == [
        ("refund_requested", "Not wanted.", asked["id"]),
        ("refunded", "Not wanted.", asked["id"]),
    ]
    # Asked again, it is the same refund.
    assert (await refund(town, found.id)).id == asked["id"]
    assert await KINDS[kind].given_back(town, found) == 1
    shown = (await town.api.get(f"/v1/operations/{found.id}")).json()
    assert shown["next_actions"] == []
    assert await broken(town, found.id, asked["id"]) == set()


async def test_a_refunded_renewal_gives_the_domain_its_old_date_back(town: Town) -> None:
    found = await done(town, "renewal")
    renewed_to = (await domain(town, found.domain)).expires_on
    asked = await refund(town, found.id)
    assert (await domain(town, found.domain)).renewing in (asked.id, None)
    operation = await town.end_of(asked.id)
    after = await domain(town, found.domain)
    assert after.renewing is None
    assert operation.result is not None
    assert operation.result["expires_on"] == after.expires_on.isoformat()
    assert after.expires_on.year == renewed_to.year - 1
    registered = await KINDS["renewal"].provider(town).get(f"/control/domains/{found.domain}")
    assert registered.json()["expires_on"] == after.expires_on.isoformat()
    assert await broken(town, found.id, asked.id) == set()


@pytest.mark.parametrize("kind", KINDS)
async def test_asked_for_many_times_at_once_it_is_one_refund(town: Town, kind: str) -> None:
    found = await done(town, kind)
    path, body = f"/v1/operations/{found.id}/refund", {"reason": "Not wanted."}
    answers = await asyncio.gather(*(town.api.post(path, json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (refund_id,) = {answer.json()["id"] for answer in answers}
    assert ended(await town.end_of(refund_id)) == ("succeeded", None)
    assert await KINDS[kind].given_back(town, found) == 1
    await check_balance(town, found, FUNDS_MINOR)
    count = "SELECT count(*) FROM operations WHERE refund_of = $1"
    assert await town.platform.pool.fetchval(count, found.id) == 1


@pytest.mark.parametrize("fault", ["cut_after", "unavailable_after", "unavailable_before"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_lost_is_found_out_and_nothing_is_given_back_twice(
    town: Town, kind: str, fault: str
) -> None:
    found = await done(town, kind)
    async with misbehaves(KINDS[kind].provider(town), fault):
        asked = await refund(town, found.id)
        await town.until(asked.id, {"unknown", "succeeded"})
    assert ended(await town.end_of(asked.id)) == ("succeeded", None)
    assert await KINDS[kind].given_back(town, found) == 1
    await check_balance(town, found, FUNDS_MINOR)
    assert await broken(town, found.id, asked.id) == set()


async def test_the_customer_is_told(town: Town) -> None:
    found = await done(town, "transfer")
    asked = await refund(town, found.id)
    await town.end_of(asked.id)
    rows = await town.platform.pool.fetch(
        "SELECT recipient, subject FROM notifications WHERE operation_id = $1", asked.id
    )
    assert [tuple(row) for row in rows] == [("+15550100", "You got 10.00 USD back")]


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelling_what_has_succeeded_is_answered_with_what_can_be_done_r3(
    town: Town, kind: str
) -> None:
    found = await done(town, kind)
    path = f"/v1/operations/{found.id}/cancel"
    answer = await town.api.post(path, json={"reason": "Too late."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_cancellable")
    assert answer.json()["error"]["message"].endswith(
        "It has already succeeded. It can be refunded."
    )
    asked = await refund(town, found.id)
    await town.end_of(asked.id)
    answer = await town.api.post(path, json={"reason": "Too late."})
    assert answer.json()["error"]["message"].endswith(f"Its refund is {asked.id}.")
    answer = await town.api.post(f"/v1/operations/{asked.id}/cancel", json={"reason": "No."})
    assert "not refunded itself" in answer.json()["error"]["message"]


async def test_only_what_has_succeeded_is_refunded(town: Town) -> None:
    account = await town.account()
    waiting = await town.pay(account, token="tok_no_callback")
    await town.until(waiting, {"waiting"})
    declined = await town.pay(account, token="tok_declined")
    await town.end_of(declined)
    found = await done(town, "transfer")
    asked = await refund(town, found.id)
    await town.end_of(asked.id)
    for operation_id, why in (
        (waiting, "only what has succeeded is refunded. Cancel it."),
        (declined, "It is failed; only what has succeeded is refunded."),
        (asked.id, f"It is the refund of {found.id}, and not refunded itself."),
    ):
        answer = await town.api.post(
            f"/v1/operations/{operation_id}/refund", json={"reason": "Not wanted."}
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "not_refundable")
        assert error["message"].endswith(why)
        trail = await town.platform.operations.trail(operation_id)
        assert "refund_refused" in [entry.action for entry in trail]
        operation = await town.platform.operations.get(operation_id)
        assert Action.REFUND not in next_actions(operation)
    await town.end_of(waiting)


async def test_a_domain_that_is_being_renewed_again_is_not_taken_back_now(town: Town) -> None:
    found = await done(town, "renewal")
    pool = town.platform.pool
    claim = "UPDATE domains SET renewing = $2 WHERE name = $1"
    await pool.execute(claim, found.domain, "another system")
    answer = await town.api.post(f"/v1/renewals/{found.id}/refund", json={"reason": "No."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "renewal_in_progress")
    assert (await town.platform.operations.get(found.id)).refunded_by is None
    await pool.execute(claim, found.domain, None)
    asked = await refund(town, found.id)
    assert ended(await town.end_of(asked.id)) == ("succeeded", None)
    assert await standings(town, found.domain) == ["undone"]


async def test_a_domain_that_is_somebody_elses_by_now_is_not_taken_back(town: Town) -> None:
    found = await done(town, "renewal")
    await town.platform.pool.execute(
        "UPDATE domains SET customer_id = 'cus_other' WHERE name = $1", found.domain
    )
    answer = await town.api.post(f"/v1/renewals/{found.id}/refund", json={"reason": "No."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "domain_not_owned")
    assert await standings(town, found.domain) == ["renewed"]


async def test_a_customer_has_its_own_operations_refunded_and_no_others(town: Town) -> None:
    mine, other = await done(town, "payment"), await done(town, "payment")
    customer_id = mine.account["customer_id"]
    async with transaction(town.platform.pool) as connection:
        _, secret = await create_key(
            connection, customer_id, ["payments:write"], customer_id=customer_id
        )
    body, headers = {"reason": "Sent twice."}, {"Authorization": f"Bearer {secret}"}
    answer = await town.api.post(f"/v1/payments/{other.id}/refund", json=body, headers=headers)
    assert answer.status_code == 404
    answer = await town.api.post(f"/v1/payments/{mine.id}/refund", json=body, headers=headers)
    assert answer.status_code == 200
    assert (await town.end_of(answer.json()["id"])).status == "succeeded"
    assert await KINDS["payment"].given_back(town, mine) == 1
    assert await KINDS["payment"].given_back(town, other) == 0
    (requested, _) = [
        entry for entry in await town.platform.operations.trail(mine.id) if "refund" in entry.action
    ]
    assert requested.actor == f"customer_key:{customer_id}"
