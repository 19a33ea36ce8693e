"""Callbacks that come twice, late, early, forged, or for nothing (BR-6, FR-5)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from standardwebhooks import Webhook

from perdure.core.ids import new_id
from perdure.operations.model import Status

from .town import SECRET, Town


async def send(
    town: Town,
    reference: str,
    *,
    status: str = "succeeded",
    event_id: str | None = None,
    secret: str = SECRET,
    signed_at: datetime | None = None,
    tampered: bool = False,
) -> httpx.Response:
    """Send a callback as the gateway would."""
    moment = signed_at or datetime.now(UTC)
    event_id = event_id or new_id("evt")
    charge = {
        "id": "ch_test",
        "reference": reference,
        "amount_minor": 1_000,
        "currency": "USD",
        "status": status,
    }
    body = json.dumps({"type": f"charge.{status}", "timestamp": moment.isoformat(), "data": charge})
    signature = Webhook(secret).sign(event_id, moment, body)
    return await town.api.post(
        "/v1/callbacks/gateway",
        content=body.replace("1000", "1") if tampered else body,
        headers={
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature,
        },
    )


async def kept(town: Town, event_id: str) -> Any:
    return await town.platform.pool.fetchrow(
        "SELECT operation_id, deliveries, delivered_at FROM provider_callbacks WHERE event_id = $1",
        event_id,
    )


async def test_a_callback_that_comes_twice_counts_once_br6_fr5(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_duplicate_callback")
    await town.end_of(payment_id)
    rows = await town.platform.pool.fetch(
        "SELECT deliveries FROM provider_callbacks WHERE operation_id = $1", payment_id
    )
    assert len(rows) == 1


async def test_a_late_callback_changes_nothing_br6(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_no_callback")
    operation = await town.end_of(payment_id)
    assert operation.status == Status.SUCCEEDED
    response = await send(town, payment_id, status="failed", event_id="evt_late")
    assert response.status_code == 200
    assert (await town.platform.operations.get(payment_id)).status == Status.SUCCEEDED
    assert (await kept(town, "evt_late"))["operation_id"] == payment_id


async def test_a_callback_for_an_unknown_payment_is_kept_and_acknowledged_br6(town: Town) -> None:
    event_id = new_id("evt")
    response = await send(town, new_id("pay"), event_id=event_id)
    assert response.status_code == 202
    assert response.json()["payment_id"] is None
    assert (await kept(town, event_id))["operation_id"] is None


async def test_a_forged_callback_is_refused_and_changes_nothing_br6(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    forged = "whsec_" + "Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9yZ2VkMDA="
    event_id = new_id("evt")
    for response in (
        await send(town, payment_id, event_id=event_id, secret=forged),
        await send(town, payment_id, event_id=event_id, tampered=True),
    ):
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_signature"
    assert await kept(town, event_id) is None
    assert (await town.end_of(payment_id)).status == Status.FAILED


async def test_a_callback_replayed_later_is_refused_br6(town: Town) -> None:
    event_id = new_id("evt")
    old = datetime.now(UTC) - timedelta(minutes=10)
    response = await send(town, new_id("pay"), event_id=event_id, signed_at=old)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "stale_callback"
    assert await kept(town, event_id) is None


async def test_a_callback_that_could_not_be_passed_on_is_passed_on_later(town: Town) -> None:
    payment_id = await town.pay(await town.account(), token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    await town.platform.pool.execute(
        "INSERT INTO provider_callbacks (provider, event_id, operation_id, event, received_at)"
        " VALUES ('gateway', $1, $2, $3, now() - interval '1 minute')",
        new_id("evt"),
        payment_id,
        {"event_id": "evt_x", "charge": {"charge_id": "ch_x", "status": "succeeded"}},
    )
    operation = await town.end_of(payment_id)
    assert operation.status == Status.SUCCEEDED
