"""`/v1/operations`: every kind the same way."""

from datetime import timedelta

from perdure.core.clock import utc_now
from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Json, Wallet, created, ok, refused


async def new_payment(api: Api, wallet: Wallet | None = None) -> str:
    payment_id: str = created(await api.pay(wallet or await api.new_wallet(5000)))["id"]
    return payment_id


async def move(pool: Pool, operation_id: str, status: Status, action: str) -> None:
    async with transaction(pool) as connection:
        operation = await store.lock(connection, operation_id)
        failure = Failure("stuck", "It is stuck.") if status == Status.NEEDS_ATTENTION else None
        await store.move(connection, operation, status, action=action, failure=failure)


async def test_an_operation_shows_what_was_asked(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    operation = ok(await api.get(f"/v1/operations/{await new_payment(api, wallet)}"))
    assert (operation["object"], operation["kind"]) == ("operation", "payment")
    assert operation["request"]["account_id"] == wallet.account_id
    assert operation["status"] == "pending"


async def test_operations_are_listed_by_kind_both_ways(api: Api) -> None:
    wallet = await api.new_wallet(50_000)
    newest_first = [await new_payment(api, wallet) for _ in range(4)][::-1]
    query = {"customer_id": wallet.customer_id, "kind": "payment", "limit": 2}
    page = ok(await api.get("/v1/operations", **query))
    assert [found["id"] for found in page["data"]] == newest_first[:2]
    page = ok(await api.get("/v1/operations", **query, starting_after=newest_first[1]))
    assert [found["id"] for found in page["data"]] == newest_first[2:]
    assert page["has_more"] is False
    page = ok(await api.get("/v1/operations", **query, ending_before=newest_first[3]))
    assert [found["id"] for found in page["data"]] == newest_first[1:3]
    assert page["has_more"] is True
    query["kind"] = "renewal"
    assert ok(await api.get("/v1/operations", **query))["data"] == []


async def test_a_timeline_merges_the_trail_and_the_attempts(api: Api, pool: Pool) -> None:
    operation_id = await new_payment(api)
    at = utc_now() + timedelta(seconds=1)
    await pool.execute(
        "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at)"
        " VALUES ($1, 'payment.charge', 1, 'running', $2)",
        operation_id,
        at,
    )
    await pool.execute(
        "INSERT INTO operation_trail (operation_id, at, actor, action, status)"
        " VALUES ($1, $2, 'system', 'parked', 'needs_attention')",
        operation_id,
        at + timedelta(seconds=1),
    )
    page = ok(await api.get(f"/v1/operations/{operation_id}/timeline"))
    told = [entry.get("action") or entry.get("step") for entry in page["data"]]
    assert told == ["accepted", "payment.charge", "parked"]
    assert page["has_more"] is False


async def test_a_timeline_is_read_in_pages(api: Api, pool: Pool) -> None:
    operation_id = await new_payment(api)
    # All at one moment: what is at the edge of a page comes neither twice nor never.
    await pool.execute(
        "WITH steps AS (INSERT INTO operation_steps (operation_id, step, attempt, outcome,"
        " started_at) SELECT $1, 'payment.charge', n, 'failed', '2030-01-01Z'"
        " FROM generate_series(1, 60) AS n) INSERT INTO operation_trail (operation_id, at, actor,"
        " action, status) SELECT $1, '2030-01-01Z', 'system', 'moved', 'processing'"
        " FROM generate_series(1, 60)",
        operation_id,
    )
    path = f"/v1/operations/{operation_id}/timeline"
    whole: list[Json] = []
    page = ok(await api.get(path))
    assert (len(page["data"]), page["has_more"]) == (100, True)
    for size in (1, 7, 100):
        entries: list[Json] = []
        page = {"has_more": True}
        while page["has_more"]:
            after = {"starting_after": entries[-1]["id"]} if entries else {}
            page = ok(await api.get(path, limit=size, **after))
            entries += page["data"]
        whole = whole or entries
        assert entries == whole
    assert len({entry["id"] for entry in whole}) == 121
    refused(await api.get(path, limit=101), 400, "invalid_input", "limit")
    refused(await api.get(path, starting_after="later"), 400, "invalid_cursor", "starting_after")


async def test_an_operation_is_cancelled_or_refused_with_the_reason(api: Api, pool: Pool) -> None:
    operation_id = await new_payment(api)
    path = f"/v1/operations/{operation_id}/cancel"
    answer = ok(await api.post(path, {"reason": "asked by phone"}))
    assert answer["operation"]["cancel_request"]["reason"] == "asked by phone"
    await move(pool, operation_id, Status.SUCCEEDED, "settled")
    message = refused(await api.post(path, {"reason": "late"}), 409, "not_cancellable", "id")
    assert "already succeeded" in message


async def test_only_what_needs_attention_is_resumed(api: Api) -> None:
    path = f"/v1/operations/{await new_payment(api)}/resume"
    refused(await api.post(path, {"reason": "fixed"}), 409, "not_parked")
    refused(await api.post(path, {}), 400, "missing_field", "reason")


async def test_resuming_holds_also_while_the_engine_is_away(api: Api, pool: Pool) -> None:
    operation_id = await new_payment(api)
    await move(pool, operation_id, Status.NEEDS_ATTENTION, "parked")
    assert ok(await api.get(f"/v1/operations/{operation_id}"))["failure"]["code"] == "stuck"
    answer = ok(await api.post(f"/v1/operations/{operation_id}/resume", {"reason": "fixed"}))
    assert (answer["status"], answer["failure"]) == ("processing", None)


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for tail in ("", "/timeline", "/events"):
        answer = await api.get(f"/v1/operations/pay_01h455vb4pex5vsknk084sn02q{tail}")
        refused(answer, 404, "operation_not_found", "id")


async def test_a_kind_or_a_status_that_there_is_not_is_refused_f28(api: Api) -> None:
    for param, there_is in (("kind", "'payment'"), ("status", "'succeeded'")):
        answer = await api.get("/v1/operations", **{param: "none"})
        assert there_is in refused(answer, 400, "invalid_input", param)
        body = {"action": "cancel", "reason": "x", "query": {param: "none"}, "dry_run": True}
        answer = await api.post("/v1/bulks", body)
        assert there_is in refused(answer, 400, "invalid_input", f"query.{param}")
