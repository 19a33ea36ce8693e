"""What operators look at: the books as a whole, and all that is known of an operation."""

from typing import Any

from perdure.operations.lanes.store import interactive_lane
from perdure.operations.lanes.workers import LastMinute, Told
from perdure.storage.pool import Pool

from .api_client import Api, created, ok, refused


async def test_a_report_has_trail_steps_and_calls(api: Api) -> None:
    wallet = await api.new_wallet(10_000)
    payment = created(await api.pay(wallet))
    report = ok(await api.get(f"/v1/operations/{payment['id']}/report"))
    assert report["operation"] == ok(await api.get(f"/v1/operations/{payment['id']}"))
    assert [entry["action"] for entry in report["trail"]] == ["accepted"]
    assert (report["steps"], report["calls"]) == ([], [])
    refused(await api.get("/v1/operations/pay_none/report"), 404, "operation_not_found", "id")


async def test_statuses_of_many_are_answered_together(api: Api) -> None:
    wallet = await api.new_wallet(10_000)
    ids = [created(await api.pay(wallet))["id"] for _ in range(2)]
    answer = ok(await api.post("/v1/operations/statuses", {"ids": [*ids, "pay_none"]}))
    found = {one["id"]: (one["status"], one["failure"]) for one in answer["data"]}
    assert found == dict.fromkeys(ids, ("pending", None))
    too_many = {"ids": ["pay_none"] * 1001}
    refused(await api.post("/v1/operations/statuses", too_many), 400, "invalid_input", "ids")


async def test_debits_and_credits_of_a_currency_are_equal(api: Api) -> None:
    wallet = await api.new_wallet(10_000, currency="NOK")
    lines = ok(await api.get("/v1/ledger/trial-balance"))["data"]
    of_currency = {line["account"]: line for line in lines if line["currency"] == "NOK"}
    assert of_currency["sys_bank_NOK"]["debits_minor"] == 10_000
    assert of_currency["customers"]["credits_minor"] == 10_000
    assert of_currency["customers"]["kind"] == "liability"
    for currency in {line["currency"] for line in lines}:
        sums = [
            sum(line[side] for line in lines if line["currency"] == currency)
            for side in ("debits_minor", "credits_minor")
        ]
        assert sums[0] == sums[1]
    assert wallet.account_id not in of_currency


async def test_transfers_are_found_by_account_and_operation(api: Api) -> None:
    wallet = await api.new_wallet(10_000)
    path = "/v1/ledger/transfers"
    found = ok(await api.get(path, account_id=wallet.account_id))
    own = ok(await api.get(f"/v1/accounts/{wallet.account_id}/transfers"))
    assert found["data"] == own["data"]
    assert len(found["data"]) == 1
    none = await api.get(path, account_id=wallet.account_id, operation_id="pay_none")
    assert ok(none)["data"] == []
    refused(await api.get(path), 400, "missing_field", "account_id")


async def test_changes_of_all_limits_are_listed(api: Api) -> None:
    body = {"per_second": 50, "reason": "their contract"}
    ok(await api.put("/v1/limits/bank", body))
    latest = ok(await api.get("/v1/limits/changes"))["data"][0]
    assert (latest["provider"], latest["reason"]) == ("bank", "their contract")
    ok(await api.post("/v1/limits/bank/remove", {"reason": "done"}))


async def test_nothing_is_left_in_lanes_that_nobody_uses(api: Api) -> None:
    lanes = ok(await api.get("/v1/lanes"))
    assert lanes["url"] == "/v1/lanes"
    assert all(lane["workflow"] == "not answering" for lane in lanes["data"])


async def test_workers_tell_what_they_have_and_one_that_is_silent_is_not_there(
    api: Api, pool: Pool
) -> None:
    lately = LastMinute()
    for reason in (None, "score: It is slow.", "charge: It is away.", "charge: It is away."):
        lately.add(reason)
    told = Told(pool, lately)
    await told.tell([interactive_lane(0), interactive_lane(5)], 2)

    async def shown() -> list[dict[str, Any]]:
        found = ok(await api.get("/v1/lanes/interactive"))["data"]
        return [one for one in found if one["promoted_because"]]

    [worker] = await shown()
    assert (worker["lanes"], worker["under_way"]) == ([0, 5], 2)
    assert (worker["done_in_last_minute"], worker["promoted_in_last_minute"]) == (1, 3)
    assert worker["promoted_because"] == [
        {"reason": "charge: It is away.", "count": 2},
        {"reason": "score: It is slow.", "count": 1},
    ]
    await pool.execute("UPDATE interactive_workers SET seen_at = now() - interval '10 s'")
    assert await shown() == []
    await told.end()
