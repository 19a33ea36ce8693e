"""Payments whose gateway is Stripe: through the API, with nothing but a setting changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from temporalio.client import Client

from perdure.core.errors import ConfigurationError
from perdure.operations.model import Status
from perdure.outside import open_outside, use_of
from perdure.providers.gateway import GATEWAY_ROLE
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.stripe import open_stripe
from tests.polls import eventually

from .town import SECRET, Town, open_town


@dataclass(frozen=True, slots=True)
class StripeTown:
    """A town whose payments are charged at a Stripe of its own."""

    town: Town
    stripe: httpx.AsyncClient

    async def pay(
        self, method: str, *, amount_minor: int = 1000, currency: str = "EUR", **more: object
    ) -> str:
        account = await self.town.account(currency=currency)
        return await self.town.pay(account, token=method, amount_minor=amount_minor, **more)

    async def charged_minor(self) -> int:
        totals = (await self.stripe.get("/control/totals")).json()
        return int(totals["charges"]["succeeded_minor"].get("EUR", 0))


@pytest.fixture(scope="module")
async def stripe_town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StripeTown]:
    folder = tmp_path_factory.mktemp("stripe")
    settings = GatewaySettings(folder / "books", SECRET, port=0, confirm_delay_s=0.1)
    async with open_stripe(settings) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PERDURE_STRIPE_API_BASE", url)
            environment.setenv("PERDURE_STRIPE_API_KEY", "sk_test_1")
            environment.setenv("PERDURE_STRIPE_CALLBACK_SECRETS", f'["{SECRET}"]')
            async with (
                open_town(postgres_url, temporal_client, folder, gateway="stripe") as town,
                httpx.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                webhook = use_of(GATEWAY_ROLE, town.platform.settings).callback_url
                await http.put("/control/webhook", json={"url": webhook})
                yield StripeTown(town, http)


@pytest.mark.parametrize("bulk", [False, True], ids=["own workflow", "lane"])
@pytest.mark.parametrize("method", ["pm_card_visa", "pm_usBankAccount", "tok_cut_after_charge"])
async def test_a_payment_succeeds_at_once_by_webhook_or_by_inquiry_and_is_charged_once(
    stripe_town: StripeTown, method: str, bulk: bool
) -> None:
    before_minor = await stripe_town.charged_minor()
    payment = await stripe_town.town.end_of(await stripe_town.pay(method, bulk=bulk))
    assert payment.status == Status.SUCCEEDED, payment.failure
    assert payment.result is not None
    assert payment.result["charge"]["charge_id"].startswith("pi_")
    assert await stripe_town.charged_minor() - before_minor == 1000


async def test_a_payment_that_is_declined_fails_with_the_banks_word(
    stripe_town: StripeTown,
) -> None:
    method = "pm_card_chargeDeclinedInsufficientFunds"
    payment = await stripe_town.town.end_of(await stripe_town.pay(method))
    assert payment.failure is not None
    assert (payment.status, payment.failure.code) == (Status.FAILED, "insufficient_funds")


async def test_a_payment_that_stripe_cannot_charge_fails_with_what_it_can(
    stripe_town: StripeTown,
) -> None:
    payment_id = await stripe_town.pay("pm_card_visa", amount_minor=1251, currency="KWD")
    payment = await stripe_town.town.end_of(payment_id)
    assert payment.failure is not None
    assert (payment.status, payment.failure.code) == (Status.FAILED, "amount_not_representable")


async def test_a_payment_that_needs_its_holder_stands_still_with_stripes_status(
    stripe_town: StripeTown,
) -> None:
    payment_id = await stripe_town.pay("pm_card_authenticationRequired")
    parked = await stripe_town.town.until(payment_id, {"needs_attention"})
    assert parked.failure is not None
    assert "requires_action" in parked.failure.message
    await stripe_town.town.api.post(f"/v1/payments/{payment_id}/cancel", json={"reason": "test"})
    assert (await stripe_town.town.end_of(payment_id)).status == Status.CANCELLED


async def test_a_payment_is_given_back_and_what_happens_to_it_at_stripe_is_on_its_trail(
    stripe_town: StripeTown,
) -> None:
    town, payment_id = stripe_town.town, await stripe_town.pay("pm_card_visa")
    await town.end_of(payment_id)
    dispute = await stripe_town.stripe.put(f"/control/charges/{payment_id}/dispute", json={})
    assert dispute.is_success, dispute.text
    await stripe_town.stripe.put(f"/control/charges/{payment_id}/dispute", json={"status": "won"})
    desk = await stripe_town.stripe.post(
        f"/control/charges/{payment_id}/refund", json={"amount_minor": 400}
    )
    assert desk.is_success, desk.text

    async def told() -> bool:
        trail = await town.platform.operations.trail(payment_id)
        said = " ".join(entry.reason or "" for entry in trail if entry.action == "gateway_told")
        return "charge.dispute.created" in said and "refunded_minor 400" in said

    await eventually(told)
    asked = await town.api.post(f"/v1/payments/{payment_id}/refund", json={"reason": "test"})
    assert asked.is_success, asked.text
    refund = await town.end_of(asked.json()["id"])
    assert refund.status == Status.SUCCEEDED, refund.failure
    totals = (await stripe_town.stripe.get("/control/totals")).json()
    assert totals["refunds"]["refunded_minor"]["EUR"] == 1000


async def test_without_its_key_nothing_starts(
    stripe_town: StripeTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERDURE_STRIPE_API_KEY", raising=False)
    settings = stripe_town.town.platform.settings
    with pytest.raises(ConfigurationError) as wrong:
        async with open_outside(settings) as outside:
            outside.provider(GATEWAY_ROLE)
    expected = "PERDURE_GATEWAY=stripe: The setting PERDURE_STRIPE_API_KEY is missing."
    assert wrong.value.message == expected
