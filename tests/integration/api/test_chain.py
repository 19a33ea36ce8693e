"""Operations done again or given back: a view leads to the others, as a reference does."""

import asyncio
import importlib
import json

from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Json, Wallet, created, ok, refused
from .test_renewals import EXPIRES_ON, body_of

REASON = {"reason": "Asked by phone."}


async def end(pool: Pool, operation_id: str, status: Status) -> None:
    failure = Failure("card_declined", "The card was declined.")
    async with transaction(pool) as connection:
        await store.move(
            connection,
            await store.lock(connection, operation_id),
            status,
            action="closed",
            failure=None if status == Status.SUCCEEDED else failure,
        )


async def relaunch(api: Api, pool: Pool, operation_id: str) -> Json:
    """Have an operation fail, and do it again."""
    await end(pool, operation_id, Status.FAILED)
    return ok(await api.post(f"/v1/operations/{operation_id}/relaunch", REASON))


async def asked_again(api: Api, wallet: Wallet) -> Json:
    answer = await api.pay(wallet, reference="rent")
    assert answer.headers["Idempotent-Replayed"] == "true"
    return created(answer)


async def test_a_reference_leads_to_the_latest_relaunch_f26(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    answer = await api.pay(wallet, reference="rent")
    assert "Idempotent-Replayed" not in answer.headers
    chain = [created(answer)["id"]]
    assert (await asked_again(api, wallet))["id"] == chain[0]
    for _ in range(2):
        new = await relaunch(api, pool, chain[-1])
        assert (new["reference"], new["request"]["reference"]) == ("rent", "rent")
        chain.append(new["id"])
        again = await asked_again(api, wallet)
        assert (again["id"], again["relaunch_of"]) == (chain[-1], chain[-2])
    refused(
        await api.pay(wallet, reference="rent", amount_minor=2000),
        *(422, "idempotency_mismatch", "reference"),
    )
    query = {"customer_id": wallet.customer_id, "reference": "rent"}
    listed = ok(await api.get("/v1/payments", **query))["data"]
    assert [payment["id"] for payment in listed] == chain[::-1]
    links = [(one["relaunch_of"], one["relaunched_as"], one["relaunch_status"]) for one in listed]
    assert links == [
        (chain[1], None, None),
        (chain[0], chain[2], "pending"),
        (None, chain[1], "failed"),
    ]
    for path in ("payments", "operations"):
        shown = ok(await api.get(f"/v1/{path}/{chain[1]}"))
        assert (shown["relaunch_of"], shown["relaunched_as"]) == (chain[0], chain[2])
        assert (shown["relaunch_status"], shown["reference"]) == ("pending", "rent")


async def test_a_relaunch_and_the_same_reference_at_once_are_one_f26(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    first = created(await api.pay(wallet, reference="rent"))["id"]
    await end(pool, first, Status.FAILED)
    answers = await asyncio.gather(
        *(api.pay(wallet, reference="rent") for _ in range(4)),
        api.post(f"/v1/operations/{first}/relaunch", REASON),
        *(api.pay(wallet, reference="rent") for _ in range(4)),
    )
    new = ok(answers.pop(4))["id"]
    assert {created(answer)["id"] for answer in answers} <= {first, new}
    assert (await asked_again(api, wallet))["id"] == new


async def test_events_of_one_that_ended_go_on_to_its_relaunch_f26(server: Api, pool: Pool) -> None:
    first = created(await server.pay(await server.new_wallet(5000)))["id"]
    new = await relaunch(server, pool, first)
    path = f"/v1/operations/{first}/events"
    async with server.http.stream("GET", path, headers=server.headers()) as answer:
        lines = [line async for line in answer.aiter_lines() if line.startswith("data: ")]
    last = json.loads(lines[-1].removeprefix("data: "))
    assert (last["action"], last["data"]["relaunched_as"]) == ("relaunched", new["id"])


async def test_what_was_corrected_is_known_by_what_was_asked_f26(api: Api) -> None:
    wallet = await api.new_wallet(5000)
    payment_id = created(await api.pay(wallet, reference="rent"))["id"]
    ok(await api.post(f"/v1/operations/{payment_id}/park", REASON))
    body = {**REASON, "patch": {"payee": {"email": "eve@example.com"}}}
    ok(await api.post(f"/v1/operations/{payment_id}/correct", body))
    again = await asked_again(api, wallet)
    assert (again["id"], again["payee"]["email"]) == (payment_id, "eve@example.com")


async def test_a_renewal_done_again_is_known_by_what_was_asked_f26(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    body = await body_of(pool, wallet)
    body |= {"reference": "shop", "current_expires_on": EXPIRES_ON.isoformat()}
    first = created(await api.post("/v1/renewals", body))["id"]
    await pool.execute("UPDATE domains SET renewing = NULL WHERE name = $1", body["domain"])
    new = (await relaunch(api, pool, first))["id"]
    answer = await api.post("/v1/renewals", body)
    assert (created(answer)["id"], created(answer)["relaunch_of"]) == (new, first)
    assert answer.headers["Idempotent-Replayed"] == "true"


async def test_what_was_refunded_says_so_f26(api: Api, pool: Pool) -> None:
    wallet = await api.new_wallet(5000)
    payment_id = created(await api.pay(wallet, reference="rent"))["id"]
    await end(pool, payment_id, Status.SUCCEEDED)
    refund = ok(await api.post(f"/v1/payments/{payment_id}/refund", REASON))
    assert (refund["refund_of"], refund["request"]["reference"]) == (payment_id, "rent")
    told = ok(await api.get(f"/v1/operations/{refund['id']}/timeline"))["data"]
    assert told[-1]["data"] == {"refund_of": payment_id}
    for status in (Status.PENDING, Status.SUCCEEDED):
        if status == Status.SUCCEEDED:
            await end(pool, refund["id"], status)
        (listed,) = ok(await api.get("/v1/payments", customer_id=wallet.customer_id))["data"]
        for shown in (
            ok(await api.get(f"/v1/payments/{payment_id}")),
            ok(await api.get(f"/v1/operations/{payment_id}")),
            await asked_again(api, wallet),
            listed,
        ):
            assert (shown["refunded_by"], shown["refund_status"]) == (refund["id"], status)


async def test_a_migration_gives_relaunches_of_before_their_reference_f26(
    api: Api, pool: Pool
) -> None:
    wallet = await api.new_wallet(5000)
    first = created(await api.pay(wallet, reference="rent"))["id"]
    last = (await relaunch(api, pool, (await relaunch(api, pool, first))["id"]))["id"]
    await pool.execute(
        "UPDATE operations SET reference = NULL, original_request = NULL,"
        " input = jsonb_set(input, '{request,reference}', 'null') WHERE relaunch_of IS NOT NULL"
        " AND customer_id = $1",
        wallet.customer_id,
    )
    migrations = "perdure.storage.migrations.versions"
    changes: str = importlib.import_module(f"{migrations}.0015_reference_of_the_latest").CHANGES
    await pool.execute(changes.rsplit("\n\n", maxsplit=1)[-1])
    assert (await asked_again(api, wallet))["id"] == last
