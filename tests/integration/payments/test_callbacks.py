"""Callbacks that come twice, late, early, forged, or for nothing (BR-6, FR-5)."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from perdure.core.ids import new_id
from perdure.operations.model import By, Status
from perdure.operations.steps import to_json
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import ChargeOutcome, GatewayCallback

from .town import SECRET, Town


async def send(
    town: Town,
    reference: str,
    *,
    event_type: str | None = None,
    event_id: str | None = None,
    secret: str = SECRET,
    signed_at: datetime | None = None,
    tampered: bool = False,
    **told: Any,
) -> httpx.Response:
    """Send a callback as the gateway would, true unless it is told to lie."""
    moment = signed_at or datetime.now(UTC)
    event_id = event_id or new_id("evt")
    charges = await town.charges(reference)
    charge = {
        "id": charges[0]["id"] if charges else "ch_test",
        "reference": reference,
        "amount_minor": 1_000,
        "currency": "USD",
        "status": "succeeded",
    } | told
    event_type = event_type or f"charge.{charge['status']}"
    body = json.dumps({"type": event_type, "timestamp": moment.isoformat(), "data": charge})
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


LIES: dict[str, dict[str, Any]] = {
    "failed, of another charge": {"status": "failed", "id": "ch_x"},
    "failed": {"status": "failed", "failure_code": "card_declined"},
    "succeeded, and pending": {"event_type": "charge.succeeded", "status": "pending"},
    "failed, and succeeded": {"event_type": "charge.failed"},
    "another charge": {"id": "ch_x"},
    "another amount": {"amount_minor": 1},
    "another currency": {"currency": "JPY"},
    "nothing we know": {"event_type": "charge.succeeded", "status": "requires_action"},
}


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


async def test_a_callback_that_could_not_be_passed_on_is_passed_on_later(
    quiet_town: Town,
) -> None:
    town = quiet_town
    payment_id = await town.pay(await town.account(), token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    [charge] = await town.charges(payment_id)
    told = ChargeOutcome(charge["id"], "succeeded")
    callback = GatewayCallback("evt_x", told, "charge.succeeded", payment_id, 1_000, "USD")
    await town.platform.pool.execute(
        "INSERT INTO provider_callbacks (provider, event_id, operation_id, event, received_at)"
        " VALUES ('gateway', $1, $2, $3, now() - interval '1 minute')",
        new_id("evt"),
        payment_id,
        to_json(callback),
    )
    await town.platform.kinds.own(GatewayCallbacks).redeliver()
    operation = await town.end_of(payment_id)
    assert operation.status == Status.SUCCEEDED


@pytest.mark.parametrize("token", ["tok_no_callback", "tok_never_confirmed"])
async def test_callbacks_that_lie_decide_nothing(town: Town, token: str) -> None:
    """What the gateway answers decides: that it has the money, or that nobody confirmed it."""
    account = await town.account()
    payments = {await town.pay(account, token=token): lie for lie in LIES.values()}
    for payment_id, lie in payments.items():
        await town.until(payment_id, {"waiting"})
        assert (await send(town, payment_id, **lie)).status_code == 200
    succeeds = token == "tok_no_callback"
    for payment_id, lie in payments.items():
        operation = await town.end_of(payment_id)
        [charge] = await town.charges(payment_id)
        if succeeds:
            assert (operation.status, charge["status"]) == ("succeeded", "succeeded"), lie
            assert operation.result is not None
            assert operation.result["charge"]["charge_id"] == charge["id"], lie
        else:
            assert operation.failure is not None
            assert (operation.failure.code, charge["status"]) == ("not_confirmed", "cancelled"), lie
    balance = await town.balance(account)
    assert balance.available_minor == 100_000 - succeeds * 1_000 * len(LIES)


async def test_a_failure_of_another_charge_does_not_hide_the_success_that_follows(
    town: Town,
) -> None:
    payment_id = await town.pay(await town.account(), token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    for lie in LIES.values():
        await send(town, payment_id, **lie)
    await send(town, payment_id)
    assert (await town.end_of(payment_id)).status == Status.SUCCEEDED


async def test_a_gateway_that_has_another_charge_than_it_made_parks_the_payment(
    town: Town,
) -> None:
    payment_id = await town.pay(await town.account(), token="tok_never_confirmed")
    await town.until(payment_id, {"waiting"})
    # As if it had answered with another one.
    await town.platform.pool.execute(
        "UPDATE provider_calls SET answer = jsonb_set(answer, '{charge_id}', '\"ch_other\"')"
        " WHERE operation_id = $1 AND step = 'charge'",
        payment_id,
    )
    await send(town, payment_id, status="failed")
    parked = await town.until(payment_id, {"needs_attention"})
    [charge] = await town.charges(payment_id)
    assert parked.failure is not None
    assert parked.failure.code == "provider_disagrees"
    assert f"id '{charge['id']}' instead of 'ch_other'" in parked.failure.message
    await town.platform.operations.actions.cancel(payment_id, By("ada", "Not ours."))
    assert (await town.end_of(payment_id)).status == Status.CANCELLED
    assert [charge["status"] for charge in await town.charges(payment_id)] == ["cancelled"]


@pytest.mark.parametrize(
    ("event_type", "told"),
    [
        ("charge.refunded", {"refunded_minor": 400}),
        ("charge.dispute.created", {"id": "dp_1", "reason": "fraudulent", "status": "open"}),
        ("charge.captured", {}),
    ],
)
async def test_what_was_done_at_the_providers_desk_is_on_the_trail_once(
    town: Town, event_type: str, told: dict[str, Any]
) -> None:
    payment_id = await town.pay(await town.account())
    await town.end_of(payment_id)
    event_id = new_id("evt")
    for _ in range(2):
        response = await send(town, payment_id, event_type=event_type, event_id=event_id, **told)
        assert (response.status_code, response.json()["payment_id"]) == (200, payment_id)
    [noted] = [
        entry
        for entry in await town.platform.operations.trail(payment_id)
        if entry.action == "gateway_told"
    ]
    assert noted.actor == "gateway"
    assert noted.reason is not None
    assert noted.reason.startswith(f"{event_type}: amount_minor 1000")
    assert noted.data is not None
    assert noted.data.items() >= (told | {"event_id": event_id}).items()
    assert (await kept(town, event_id))["delivered_at"] is not None
    assert (await town.platform.operations.get(payment_id)).status == Status.SUCCEEDED


async def test_a_ping_is_taken_and_kept(town: Town) -> None:
    event_id = new_id("evt")
    response = await send(town, "", event_type="ping", event_id=event_id)
    assert (response.status_code, response.json()["payment_id"]) == (202, None)
    assert (await kept(town, event_id))["operation_id"] is None


async def test_bad_callbacks_harm_no_good_one_beside_them(town: Town) -> None:
    good = [new_id("evt") for _ in range(100)]
    bad: list[dict[str, Any]] = [
        {"reference": "pay_1", name: value}
        for name in ("reference", "id", "failure_code", "status", "currency")
        for value in ("a\x00b", "x" * 3_000)
    ] * 2
    answers = await asyncio.gather(
        *(send(town, new_id("pay"), event_id=event_id) for event_id in good),
        *(send(town, event_type="charge.succeeded", **lie) for lie in bad),
    )
    assert [answer.status_code for answer in answers] == [202] * 100 + [400] * 20
    codes = {answer.json()["error"]["code"] for answer in answers[100:]}
    assert codes == {"malformed_callback"}
    assert all([await kept(town, event_id) for event_id in good])
