import pytest
from tests.polls import eventually

from perdure.core.errors import (
    InvalidInput,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
)
from perdure.providers.gateway_callbacks import ToldCharge
from perdure.simulators.gateway_behaviour import TOKENS

from .conftest import RunningGateway, StartGateway, called_back


async def ends(gateway: RunningGateway, reference: str, status: str) -> None:
    async def has_ended() -> bool:
        return await gateway.status(reference) == status

    await eventually(has_ended)


@pytest.mark.parametrize("token", ["tok_ok", "tok_fraud", "tok_fraud_slow", "tok_fraud_down"])
async def test_a_charge_is_pending_then_succeeds_and_calls_back(
    gateway: RunningGateway, token: str
) -> None:
    charge = await gateway.charge("pay_1", token)
    assert (charge.status, charge.reference, charge.amount_minor) == ("pending", "pay_1", 1250)
    await called_back(gateway, "pay_1")
    event = gateway.receiver.events[0]
    assert (event.type, event.told.status) == ("charge.succeeded", "succeeded")
    found = await gateway.client.find_charge("pay_1")
    assert found is not None
    assert event.told == ToldCharge(charge.id, "pay_1", found.amount_minor, "EUR", "succeeded")


@pytest.mark.parametrize(
    ("token", "code"),
    [("tok_declined", "card_declined"), ("tok_of_nobody", "invalid_payment_method")],
)
async def test_a_declined_charge_is_never_made(
    gateway: RunningGateway, token: str, code: str
) -> None:
    with pytest.raises(ProviderDeclined) as caught:
        await gateway.charge("pay_1", token)
    assert caught.value.code == code
    assert await gateway.client.find_charge("pay_1") is None
    assert await gateway.answers("pay_1") == [code]


async def test_fails_later(gateway: RunningGateway) -> None:
    assert (await gateway.charge("pay_1", "tok_fails_later")).status == "pending"
    await called_back(gateway, "pay_1")
    event = gateway.receiver.events[0]
    assert event.type == "charge.failed"
    assert (event.told.status, event.told.failure_code) == ("failed", "insufficient_funds")


async def test_flaky_fails_twice_without_any_effect(gateway: RunningGateway) -> None:
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown) as caught:
            await gateway.charge("pay_1", "tok_flaky")
        assert not caught.value.in_flight
        assert await gateway.client.find_charge("pay_1") is None
    assert (await gateway.charge("pay_1", "tok_flaky")).status == "pending"
    assert await gateway.answers("pay_1") == ["unavailable", "unavailable", "charged"]


async def test_rate_limited_says_how_long_to_wait(gateway: RunningGateway) -> None:
    for _ in range(2):
        with pytest.raises(ProviderRateLimited) as caught:
            await gateway.charge("pay_1", "tok_rate_limited")
        assert caught.value.retry_after_s == 1
    assert (await gateway.charge("pay_1", "tok_rate_limited")).status == "pending"


async def test_down_never_has_an_effect(gateway: RunningGateway) -> None:
    for _ in range(5):
        with pytest.raises(ProviderOutcomeUnknown):
            await gateway.charge("pay_1", "tok_down")
    assert await gateway.charges("pay_1") == []


@pytest.mark.parametrize(
    ("token", "in_flight"),
    [
        ("tok_flaky_after_effect", False),
        ("tok_cut_after_charge", True),
        ("tok_timeout_after_charge", True),
    ],
)
async def test_a_lost_answer_leaves_a_charge_that_the_inquiry_finds(
    gateway: RunningGateway, token: str, in_flight: bool
) -> None:
    with pytest.raises(ProviderOutcomeUnknown) as caught:
        await gateway.charge("pay_1", token)
    assert caught.value.in_flight is in_flight
    assert len(await gateway.charges("pay_1")) == 1
    await ends(gateway, "pay_1", "succeeded")
    await called_back(gateway, "pay_1")


@pytest.mark.parametrize(
    "token", ["tok_flaky_after_effect", "tok_cut_after_charge", "tok_timeout_after_charge"]
)
async def test_whoever_does_not_ask_charges_twice_and_the_audit_shows_it(
    gateway: RunningGateway, token: str
) -> None:
    with pytest.raises(ProviderOutcomeUnknown):
        await gateway.charge("pay_1", token)
    await gateway.charge("pay_1", token)
    assert len(await gateway.charges("pay_1")) == 2
    totals = (await gateway.http.get("/v1/totals")).json()
    assert totals["duplicates"] == {"count": 1, "references": ["pay_1"]}


async def test_slow_answers_after_its_delay(gateway: RunningGateway) -> None:
    charge = await gateway.charge("pay_1", "tok_slow")
    # The answer tells how the charge stood when it was made; by now it has been confirmed.
    assert charge.status == "pending"
    assert await gateway.status("pay_1") == "succeeded"


async def test_the_callback_may_come_before_the_response(gateway: RunningGateway) -> None:
    charge = await gateway.charge("pay_1", "tok_callback_before_response")
    assert [event.told.id for event in gateway.receiver.of("pay_1")] == [charge.id]
    assert charge.status == "pending"


async def test_no_callback_succeeds_all_the_same(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", "tok_no_callback")
    await ends(gateway, "pay_1", "succeeded")
    await gateway.charge("pay_2")
    await called_back(gateway, "pay_2")
    assert gateway.receiver.of("pay_1") == []


async def test_one_event_comes_three_times(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", "tok_duplicate_callback")
    await called_back(gateway, "pay_1", times=3)
    assert len({event.event_id for event in gateway.receiver.of("pay_1")}) == 1


async def test_a_late_callback_comes_after_the_charge_is_known(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", "tok_late_callback")
    await ends(gateway, "pay_1", "succeeded")
    assert gateway.receiver.of("pay_1") == []
    await called_back(gateway, "pay_1")


async def test_never_confirmed_is_pending_until_it_is_called_off(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1", "tok_never_confirmed")
    await gateway.charge("pay_2")
    await called_back(gateway, "pay_2")
    assert await gateway.status("pay_1") == "pending"
    for _ in range(2):
        assert (await gateway.client.cancel_charge("pay_1")).status == "cancelled"
    assert await gateway.status("pay_1") == "cancelled"


async def test_a_charge_called_off_in_time_is_never_confirmed(
    start_gateway: StartGateway,
) -> None:
    gateway = await start_gateway(confirm_delay_s=0.5)
    await gateway.charge("pay_1", "tok_ok")
    assert (await gateway.client.cancel_charge("pay_1")).status == "cancelled"
    await gateway.charge("pay_2")  # its confirmation is due after the other's
    await called_back(gateway, "pay_2")
    assert await gateway.status("pay_1") == "cancelled"
    assert gateway.receiver.of("pay_1") == []


async def test_a_charge_that_succeeded_is_not_called_off(gateway: RunningGateway) -> None:
    await gateway.charge("pay_1")
    await ends(gateway, "pay_1", "succeeded")
    assert (await gateway.client.cancel_charge("pay_1")).status == "succeeded"


async def test_a_charge_nobody_made_cannot_be_called_off(gateway: RunningGateway) -> None:
    with pytest.raises(InvalidInput) as caught:
        await gateway.client.cancel_charge("pay_0")
    assert caught.value.code == "provider_rejected_request"


async def test_every_token_is_known_to_the_documentation(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "simulators.md").read_text()
    assert [token for token in TOKENS if f"`{token}`" not in page] == []
