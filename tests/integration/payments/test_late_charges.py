"""A success that the gateway tells of after a payment's end is undone, or put before somebody."""

from typing import Any

from perdure.capability import books
from perdure.cli.doctor_work import look_at_work
from perdure.operations.model import TrailEntry
from tests.polls import eventually

from .test_callbacks import send
from .town import Town


async def failed_payment(town: Town) -> str:
    """Return a payment that has failed, and has no charge."""
    payment_id = await town.pay(await town.account(), token="tok_declined")
    assert (await town.end_of(payment_id)).status == "failed"
    return payment_id


async def charge_after_the_end(town: Town, payment_id: str) -> None:
    """Have the gateway take the money all the same."""
    charge = {"reference": payment_id, "amount_minor": 1_000, "currency": "USD"}
    body = charge | {"payment_method": "tok_no_callback"}
    (await town.gateway.post("/v1/charges", json=body)).raise_for_status()
    await town.collected(payment_id)


async def on_the_trail(town: Town, payment_id: str, action: str) -> TrailEntry:
    """Wait until a payment's trail has an entry."""

    async def is_there() -> TrailEntry | None:
        trail = await town.platform.operations.trail(payment_id)
        return next((entry for entry in trail if entry.action == action), None)

    return await eventually(is_there)


async def refunds(town: Town, payment_id: str) -> list[dict[str, Any]]:
    page = (await town.gateway.get("/v1/refunds", params={"limit": 1000})).json()
    return [one for one in page["data"] if one["charge_reference"] == payment_id]


async def broken(town: Town, payment_id: str) -> set[str]:
    found = await books.violations(town.platform.pool, {"gateway": town.books["gateway"]})
    return {one.name for one in found if payment_id in one.subject_ids}


async def undelivered(town: Town, payment_id: str) -> int:
    count: int = await town.platform.pool.fetchval(
        "SELECT count(*) FROM provider_callbacks WHERE operation_id = $1 AND delivered_at IS NULL",
        payment_id,
    )
    return count


async def test_a_success_for_a_payment_that_has_failed_is_undone_once(town: Town) -> None:
    payment_id = await failed_payment(town)
    await charge_after_the_end(town, payment_id)
    assert await broken(town, payment_id) == {"others_left_uncharged"}
    for _ in range(2):
        await send(town, payment_id)
    undone = await on_the_trail(town, payment_id, "late_charge_undone")
    assert undone.reason is not None
    assert "1000 USD" in undone.reason
    [refund] = await refunds(town, payment_id)
    assert (refund["reference"], refund["amount_minor"]) == (f"{payment_id}:late_refund", 1_000)
    assert (await town.platform.operations.get(payment_id)).status == "failed"
    assert await broken(town, payment_id) == set()
    assert await undelivered(town, payment_id) == 0


async def test_a_success_that_was_passed_on_while_the_payment_closed_is_undone(town: Town) -> None:
    payment_id = await failed_payment(town)
    await charge_after_the_end(town, payment_id)
    event = {"event_id": "evt_closing", "charge": {"charge_id": "ch_1", "status": "succeeded"}}
    await town.platform.pool.execute(
        "INSERT INTO provider_callbacks (provider, event_id, operation_id, event, passed_on_at)"
        " VALUES ('gateway', $1, $2, $3, now())",
        f"evt_{payment_id}",
        payment_id,
        event | {"type": "charge.succeeded"},
    )
    await on_the_trail(town, payment_id, "late_charge_undone")
    assert await undelivered(town, payment_id) == 0


async def test_a_success_that_there_was_not_changes_nothing_and_is_on_the_trail(
    town: Town,
) -> None:
    payment_id = await failed_payment(town)
    await send(town, payment_id)
    denied = await on_the_trail(town, payment_id, "late_charge_denied")
    assert denied.reason is not None
    assert denied.reason.endswith("the gateway, asked, knows of no such charge.")
    assert await undelivered(town, payment_id) == 0
    assert await broken(town, payment_id) == set()


async def test_a_late_charge_that_is_not_given_back_is_put_before_an_operator(town: Town) -> None:
    payment_id = await failed_payment(town)
    await charge_after_the_end(town, payment_id)
    (await town.gateway.put(f"/control/charges/{payment_id}/dispute", json={})).raise_for_status()
    await send(town, payment_id)
    stuck = await on_the_trail(town, payment_id, "late_charge_not_undone")
    assert stuck.reason is not None
    assert "Its holder disputes the charge." in stuck.reason
    await ten_minutes_pass(town, payment_id)
    assert {"late_charges_are_undone", "others_left_uncharged"} == await broken(town, payment_id)
    warned = [one.detail async for one in look_at_work(town.platform.pool)]
    assert any("ended without success" in detail for detail in warned)
    # Somebody sees to it at the gateway.
    for method, path, body in (
        ("PUT", "dispute", {"status": "won"}),
        ("POST", "refund", {}),
    ):
        url = f"/control/charges/{payment_id}/{path}"
        (await town.gateway.request(method, url, json=body)).raise_for_status()
    await ten_minutes_pass(town, payment_id)
    await on_the_trail(town, payment_id, "late_charge_undone")
    assert await broken(town, payment_id) == set()


async def ten_minutes_pass(town: Town, payment_id: str) -> None:
    ago = "interval '10 minutes'"
    callbacks = f"SET received_at = received_at - {ago}, looked_into_at = looked_into_at - {ago}"
    for statement in (
        f"UPDATE provider_callbacks {callbacks} WHERE operation_id = $1",
        f"UPDATE operations SET finished_at = finished_at - {ago} WHERE id = $1",
    ):
        await town.platform.pool.execute(statement, payment_id)
