"""What the gateway tells that is not true, and what its own desk does."""

import pytest

from perdure.core.errors import ProviderDeclined
from perdure.simulators.gateway_behaviour import Lie

from .conftest import RunningGateway, StartGateway, called_back

LIES = {
    Lie.ID: ("charge.failed", {"id", "status"}),
    Lie.AMOUNT: ("charge.succeeded", {"amount_minor"}),
    Lie.CURRENCY: ("charge.succeeded", {"currency"}),
    Lie.REFERENCE: ("charge.succeeded", {"reference"}),
    Lie.STATUS: ("charge.failed", set[str]()),
    Lie.PENDING: ("charge.succeeded", {"status"}),
    Lie.FAILED: ("charge.failed", {"status"}),
}


async def test_a_lie_comes_before_the_truth(gateway: RunningGateway) -> None:
    for lie, (kind, differs) in LIES.items():
        reference = f"pay_{lie}"
        await gateway.charge(reference, f"tok_callback_lies_{lie}")
        await called_back(gateway, reference, 1 if lie == Lie.REFERENCE else 2)
        [lied, true] = gateway.receiver.events
        assert (lied.type, true.type) == (kind, "charge.succeeded"), lie
        names = ("id", "reference", "amount_minor", "currency", "status")
        told = {name for name in names if getattr(lied.told, name) != getattr(true.told, name)}
        assert told == differs, lie
        gateway.receiver.events.clear()


async def test_lies_by_chance(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    faults = {"rate": 1, "kinds": ["callback_lies_failed"]}
    (await gateway.http.put("/control/faults", json=faults)).raise_for_status()
    await gateway.charge("pay_1")
    await called_back(gateway, "pay_1", 2)
    assert [event.type for event in gateway.receiver.events] == [
        "charge.failed",
        "charge.succeeded",
    ]


async def test_the_desk_gives_back_and_says_so(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", amount_minor=1_000)
    await called_back(gateway, "pay_1")
    path = "/control/charges/pay_1/refund"
    answer = await gateway.http.post(path, json={"amount_minor": 400})
    assert (answer.status_code, answer.json()["refunded_minor"]) == (201, 400)
    assert (await gateway.http.post(path, json={"amount_minor": 601})).status_code == 409
    assert (await gateway.http.post(path)).json()["refunded_minor"] == 1_000
    assert (await gateway.http.post(path)).status_code == 409
    assert (await gateway.http.post("/control/charges/pay_2/refund")).status_code == 404
    await called_back(gateway, "pay_1", 3)
    told = [(event.type, event.told.refunded_minor) for event in gateway.receiver.of("pay_1")[1:]]
    assert {kind for kind, _ in told} == {"charge.refunded"}
    assert told[-1][1] == 1_000
    totals = (await gateway.http.get("/v1/totals")).json()
    assert totals["refunds"] == {"count": 2, "refunded_minor": {"EUR": 1_000}}


async def test_what_is_disputed_is_not_refunded(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    await gateway.charge("pay_1")
    await called_back(gateway, "pay_1")
    path = "/control/charges/pay_1/dispute"
    (await gateway.http.put(path, json={"status": "open"})).raise_for_status()
    with pytest.raises(ProviderDeclined) as caught:
        await gateway.client.refund(reference="r", charge_reference="pay_1", amount_minor=1)
    assert caught.value.code == "charge_disputed"
    (await gateway.http.put(path, json={"status": "won"})).raise_for_status()
    await gateway.client.refund(reference="r", charge_reference="pay_1", amount_minor=1)
    await called_back(gateway, "pay_1", 3)
    kinds = [event.type for event in gateway.receiver.of("pay_1")]
    assert kinds[0] == "charge.succeeded"
    assert set(kinds[1:]) == {"charge.dispute.created", "charge.dispute.closed"}
