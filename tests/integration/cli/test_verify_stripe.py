"""Stripe's own books, read by its class, are compared with ours: each difference is found."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from perdure.capability import books
from perdure.config import Settings
from perdure.core.errors import ConfigurationError, ProviderUnavailable
from perdure.core.ids import new_id
from perdure.operations.model import Status
from perdure.outside import use_of
from perdure.providers import stripe as stripe_module
from perdure.providers.gateway import GATEWAY_ROLE, PaymentGateway
from perdure.providers.host import ProviderHost
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.stripe import open_stripe
from perdure.storage.pool import Pool

from .conftest import House
from .test_verify import AMOUNT_MINOR, payment

SECRET = "whsec_c2lnbnMgdGhlIGNhbGxiYWNrcyBvZiB0aGUgdGVzdHM="


@dataclass(frozen=True, slots=True)
class Stripe:
    """The gateway that the settings name, and its desk."""

    gateway: PaymentGateway
    http: httpx.AsyncClient

    async def charge(
        self,
        reference: str,
        amount_minor: int = AMOUNT_MINOR,
        *,
        refunded_minor: int = 0,
        method: str = "pm_card_visa",
    ) -> str:
        await self.gateway.charge(
            reference=reference, amount_minor=amount_minor, currency="USD", payment_method=method
        )
        if refunded_minor:
            await self.gateway.refund(
                reference=new_id("rfd"), charge_reference=reference, amount_minor=refunded_minor
            )
        return reference

    async def charge_by_others(self) -> None:
        form = {"amount": 1, "currency": "usd", "payment_method": "pm_card_visa"}
        headers = {"Authorization": "Bearer sk_test_1"}
        made = await self.http.post("/v1/payment_intents", data=form, headers=headers)
        assert made.json()["metadata"] == {}


@pytest.fixture
async def stripe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stripe]:
    monkeypatch.setattr(stripe_module, "_PAGE", 3)
    async with open_stripe(GatewaySettings(tmp_path, SECRET, port=0)) as port:
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("PERDURE_GATEWAY", "stripe")
        monkeypatch.setenv("PERDURE_STRIPE_API_BASE", url)
        monkeypatch.setenv("PERDURE_STRIPE_API_KEY", "sk_test_1")
        async with (
            ProviderHost(timeout_s=5) as host,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            yield Stripe(use_of(GATEWAY_ROLE, Settings()).make(host), http)


async def broken(pool: Pool, ours: set[str], since: datetime | None = None) -> set[tuple[str, str]]:
    """Return what breaks an invariant between Stripe's books and ours, and which of these."""
    use = use_of(GATEWAY_ROLE, Settings())
    # The others' payments in this database are all at no Stripe.
    found = await books.violations(pool, {"gateway": {"": use}}, books_since=since, limit=10_000)
    at_stripe = books.books()["gateway"].invariants
    return {
        (one.name, subject)
        for one in found
        for subject in one.subject_ids
        if one.name in at_stripe and (subject in ours or not subject.startswith("pay_"))
    }


async def paid(house: House) -> str:
    return await payment(house, Status.SUCCEEDED, settled="posted")


async def failed(house: House) -> str:
    return await payment(house, Status.FAILED, settled="voided")


async def test_each_difference_is_found_and_what_is_not_ours_is_left_alone(
    house: House, stripe: Stripe
) -> None:
    await stripe.charge_by_others()
    good = {
        await stripe.charge(await paid(house)),
        await stripe.charge(await failed(house), refunded_minor=AMOUNT_MINOR),
        await failed(house),
    }
    missing = await paid(house)
    differs = await stripe.charge(await paid(house), AMOUNT_MINOR + 1)
    refunded = await stripe.charge(await paid(house), refunded_minor=400)
    kept = await stripe.charge(await failed(house))
    still_open = await stripe.charge(await failed(house), method="pm_card_authenticationRequired")
    unknown = await stripe.charge(new_id("pay"))

    ours = {*good, missing, differs, refunded, kept, still_open, unknown}
    assert await broken(house.pool, ours) == {
        ("succeeded_charged_once", missing),
        ("succeeded_charged_once", differs),
        ("succeeded_charged_once", refunded),
        ("others_left_uncharged", kept),
        ("others_left_uncharged", still_open),
        ("charges_have_a_payment", unknown),
    }


async def test_of_the_books_since_a_day_nothing_older_is_missed(
    house: House, stripe: Stripe
) -> None:
    old, new, there = await paid(house), await paid(house), await stripe.charge(await paid(house))
    await house.pool.execute(
        "UPDATE operations SET created_at = created_at - interval '9 days' WHERE id = $1", old
    )
    a_week_ago = datetime.now(UTC) - timedelta(days=7)
    expected = {("succeeded_charged_once", new)}
    assert await broken(house.pool, {old, new, there}, a_week_ago) == expected
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert [one async for one in stripe.gateway.books(in_an_hour)] == []  # type: ignore[attr-defined]


async def test_what_cannot_be_read_is_said_and_not_taken_for_empty_books(
    house: House, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stripe.charge(await paid(house))
    monkeypatch.setenv("PERDURE_STRIPE_API_KEY", "sk_live_1")
    with pytest.raises(ProviderUnavailable, match=r"The gateway at .* does not tell its books\."):
        await broken(house.pool, set())
    monkeypatch.delenv("PERDURE_STRIPE_API_KEY")
    with pytest.raises(ConfigurationError, match="PERDURE_STRIPE_API_KEY is missing"):
        await broken(house.pool, set())
