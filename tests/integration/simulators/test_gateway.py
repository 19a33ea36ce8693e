import asyncio

import pytest
from tests.polls import eventually

from perdure.core.errors import (
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
)
from perdure.providers.gateway import Refund
from perdure.simulators.faults import Chance
from perdure.simulators.gateway_behaviour import Fault

from .conftest import RunningGateway, StartGateway, called_back


async def succeeded(gateway: RunningGateway, reference: str) -> None:
    await gateway.charge(reference)
    await called_back(gateway, reference)


async def test_by_default_the_same_reference_charges_again(gateway: RunningGateway) -> None:
    first, second = await gateway.charge("pay_1"), await gateway.charge("pay_1")
    assert first.id != second.id
    assert await gateway.answers("pay_1") == ["charged", "charged"]
    found = await gateway.client.find_charge("pay_1")
    assert found is not None
    assert found.id == first.id


async def test_an_idempotent_gateway_returns_the_first_charge(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(idempotent=True)
    first, second = await gateway.charge("pay_1"), await gateway.charge("pay_1")
    assert first.id == second.id
    with pytest.raises(ProviderOutcomeUnknown, match="idempotency_mismatch"):
        await gateway.charge("pay_1", amount_minor=1)
    assert await gateway.answers("pay_1") == ["charged", "repeated", "mismatch"]


async def test_a_charge_that_makes_no_sense_is_rejected(gateway: RunningGateway) -> None:
    body = {
        "reference": "pay_1",
        "amount_minor": 1,
        "currency": "EUR",
        "payment_method": "tok_ok",
    }
    changes: list[dict[str, object]] = [
        {"amount_minor": 0},
        {"amount_minor": 12.5},
        {"amount_minor": "12"},
        {"amount_minor": 2**63},
        {"currency": "euro"},
        {"reference": ""},
        {"callback_url": "http://example.org/callbacks"},
        {"callback_url": "https://127.0.0.1/callbacks"},
        {"callback_url": "http://127.0.0.1.example.org/"},
        {"callback_url": "http://[::1/"},
        {"callback_url": "file:///callbacks"},
    ]
    for change in changes:
        response = await gateway.http.post("/v1/charges", json=body | change)
        assert response.status_code == 400, change
        assert response.json()["error"]["message"]
    assert (await gateway.http.get("/v1/totals")).json()["charges"]["count"] == 0


async def test_a_refund_gives_back_once_per_reference(gateway: RunningGateway) -> None:
    await succeeded(gateway, "pay_1")

    async def refund(reference: str, amount_minor: int) -> Refund:
        return await gateway.client.refund(
            reference=reference, charge_reference="pay_1", amount_minor=amount_minor
        )

    first, second = await refund("pay_1:refund", 1000), await refund("pay_1:refund", 1000)
    assert first == second
    assert (first.amount_minor, first.currency, first.status) == (1000, "EUR", "succeeded")
    assert await gateway.client.find_refund("pay_1:refund", charge_reference="pay_1") == first
    charge = await gateway.client.find_charge("pay_1")
    assert charge is not None
    assert charge.refunded_minor == 1000
    with pytest.raises(ProviderOutcomeUnknown, match="idempotency_mismatch"):
        await refund("pay_1:refund", 1)
    with pytest.raises(ProviderDeclined) as no:
        await refund("pay_1:more", 251)
    assert no.value.code == "refund_exceeds_charge"


async def test_only_what_was_collected_is_given_back(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", "tok_never_confirmed")
    for reference in ("pay_0", "pay_1"):
        with pytest.raises(ProviderDeclined) as no:
            await gateway.client.refund(
                reference="refund", charge_reference=reference, amount_minor=1
            )
        assert no.value.code == "charge_not_refundable"
    assert await gateway.client.find_refund("refund", charge_reference="pay_1") is None


async def test_a_callback_is_sent_again_until_it_is_taken(gateway: RunningGateway) -> None:
    gateway.receiver.refusals = 2
    await gateway.charge("pay_1")
    await called_back(gateway, "pay_1")
    assert gateway.receiver.deliveries == 3

    async def none_is_owed() -> bool:
        totals = (await gateway.http.get("/v1/totals")).json()
        return bool(totals["callbacks"] == {"delivered": 1, "undelivered": 0})

    await eventually(none_is_owed)


async def test_concurrent_charges_are_all_kept_and_counted(gateway: RunningGateway) -> None:
    references = [f"pay_{number}" for number in range(60)]
    await asyncio.gather(*(gateway.charge(reference) for reference in references))

    async def all_ended() -> bool:
        totals = (await gateway.http.get("/v1/totals")).json()
        return bool(totals["callbacks"]["delivered"] == len(references))

    await eventually(all_ended)
    totals = (await gateway.http.get("/v1/totals")).json()
    assert totals["attempts"] == totals["charges"]["succeeded"] == 60
    assert totals["charges"]["succeeded_minor"] == {"EUR": 60 * 1250}
    assert totals["duplicates"]["count"] == 0
    assert sorted(event.told.reference or "" for event in gateway.receiver.events) == sorted(
        references
    )


async def test_lists_are_paged(gateway: RunningGateway) -> None:
    for number in range(5):
        await gateway.charge(f"pay_{number}")
    found: list[str] = []
    params: dict[str, str] = {"limit": "2"}
    for _ in range(3):
        answer = (await gateway.http.get("/v1/charges", params=params)).json()
        found += [charge["reference"] for charge in answer["data"]]
        params["starting_after"] = answer["data"][-1]["id"]
    assert found == [f"pay_{number}" for number in range(5)]
    assert answer["has_more"] is False
    assert (await gateway.http.get("/v1/charges?starting_after=ch_0")).status_code == 400
    assert (await gateway.http.get("/v1/charges?limit=many")).status_code == 400


@pytest.mark.parametrize(
    "kind", [Fault.UNAVAILABLE_BEFORE, Fault.UNAVAILABLE_AFTER, Fault.CUT_AFTER]
)
async def test_faults_by_chance_hit_charges_cancellations_and_refunds(
    gateway: RunningGateway, kind: Fault
) -> None:
    await succeeded(gateway, "pay_1")
    await gateway.charge("pay_2", "tok_never_confirmed")
    answer = await gateway.http.put("/control/faults", json={"rate": 1, "kinds": [kind]})
    assert answer.json() == (await gateway.http.get("/control/faults")).json()
    with pytest.raises(ProviderError):
        await gateway.charge("pay_3")
    with pytest.raises(ProviderError):
        await gateway.client.cancel_charge("pay_2")
    with pytest.raises(ProviderError):
        await gateway.client.refund(reference="refund", charge_reference="pay_1", amount_minor=1250)
    was_done = kind != Fault.UNAVAILABLE_BEFORE
    assert (await gateway.status("pay_3") != "none") is was_done
    assert (await gateway.status("pay_2") == "cancelled") is was_done
    assert (
        await gateway.client.find_refund("refund", charge_reference="pay_1") is not None
    ) is was_done


@pytest.mark.parametrize(
    ("kind", "copies"), [(Fault.CALLBACK_DOUBLED, 2), (Fault.CALLBACK_DELAYED, 1)]
)
async def test_faults_by_chance_hit_callbacks(
    start_gateway: StartGateway, kind: Fault, copies: int
) -> None:
    gateway = await start_gateway(chance=Chance(rate=1.0, kinds=(kind,)))
    await gateway.charge("pay_1")
    await called_back(gateway, "pay_1", times=copies)


async def test_faults_that_make_no_sense_are_rejected(gateway: RunningGateway) -> None:
    bodies: list[object] = [{"rate": 2}, {"kinds": ["earthquake"]}, []]
    for body in bodies:
        assert (await gateway.http.put("/control/faults", json=body)).status_code == 400


def test_chance_depends_on_nothing_but_seed_reference_and_attempt() -> None:
    chance = Chance(rate=0.3, seed=7, kinds=tuple(Fault))
    draws = [chance.draw(f"pay_{number}", 0) for number in range(400)]
    assert draws == [chance.draw(f"pay_{number}", 0) for number in range(400)]
    assert 0.2 < sum(draw is not None for draw in draws) / len(draws) < 0.4
    assert {draw for draw in draws if draw} == set(Fault)
    other = Chance(rate=0.3, seed=8, kinds=tuple(Fault))
    assert draws != [other.draw(f"pay_{number}", 0) for number in range(400)]
    assert Chance(kinds=tuple(Fault)).draw("pay_1", 0) is None
