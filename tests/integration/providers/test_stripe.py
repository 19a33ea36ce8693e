"""Stripe's errors, its search that is behind and its keys that are forgotten, on the simulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from perdure.core.errors import (
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.ids import earlier_id, new_id
from perdure.providers import stripe as stripe_module
from perdure.providers.gateway import Charge
from perdure.providers.host import ProviderHost
from perdure.providers.stripe import StripeGateway, StripeSettings
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.stripe import open_stripe
from perdure.testing.provider_contract import error_of
from perdure.testing.wire import CUT_AFTER, Fault, Wire, open_wire

SECRET = "whsec_c2lnbnMgdGhlIGNhbGxiYWNrcyBvZiB0aGUgdGVzdHM="


@dataclass(frozen=True, slots=True)
class RunningStripe:
    """A Stripe that runs in this process, with our client of it at the end of a wire."""

    gateway: StripeGateway
    wire: Wire
    http: httpx.AsyncClient

    async def charge(self, reference: str, method: str = "pm_card_visa") -> Charge:
        return await self.gateway.charge(
            reference=reference, amount_minor=1250, currency="EUR", payment_method=method
        )

    async def charges(self) -> int:
        totals = (await self.http.get("/control/totals")).json()
        return int(totals["charges"]["count"])


@asynccontextmanager
async def running(folder: Path, *, key: str = "sk_test_1") -> AsyncIterator[RunningStripe]:
    async with (
        open_stripe(GatewaySettings(folder, SECRET, port=0)) as port,
        open_wire(f"http://127.0.0.1:{port}") as wire,
        ProviderHost(timeout_s=2) as host,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        settings = StripeSettings(api_base=wire.url, api_key=SecretStr(key))
        yield RunningStripe(StripeGateway.from_settings(settings, host), wire, http)


@pytest.fixture
async def stripe(tmp_path: Path) -> AsyncIterator[RunningStripe]:
    async with running(tmp_path) as found:
        yield found


ERRORS = [
    (400, "idempotency_error", {}, ProviderOutcomeUnknown, "provider_call_under_way"),
    (409, "idempotency_error", {}, ProviderOutcomeUnknown, "provider_call_under_way"),
    (400, "invalid_request_error", {"code": "rate_limit"}, ProviderRateLimited, None),
    (429, "invalid_request_error", {"code": "lock_timeout"}, ProviderRateLimited, None),
    (401, "invalid_request_error", {}, ProviderUnavailable, "provider_refuses_credentials"),
    (402, "card_error", {"code": "expired_card"}, ProviderDeclined, "expired_card"),
    (
        402,
        "card_error",
        {"code": "card_declined", "decline_code": "lost_card"},
        ProviderDeclined,
        "lost_card",
    ),
    (400, "invalid_request_error", {"code": "charge_disputed"}, ProviderDeclined, None),
    (400, "invalid_request_error", {"code": "amount_too_small"}, InvalidInput, None),
    (500, "api_error", {}, ProviderOutcomeUnknown, None),
    (303, "api_error", {}, InvalidInput, None),
]


@pytest.mark.parametrize(("status", "kind", "more", "error", "code"), ERRORS)
async def test_each_of_its_errors_is_a_yes_a_no_or_unknown(
    stripe: RunningStripe,
    *,
    status: int,
    kind: str,
    more: dict[str, str],
    error: type[PerdureError],
    code: str | None,
) -> None:
    body = httpx.Response(200, json={"error": {"type": kind, "message": "Said.", **more}}).content
    with stripe.wire.fault(Fault(status=status, body=body)):
        found = await error_of(stripe.charge("pay_1"))
    assert type(found) is error, repr(found)
    assert code is None or found.code == code
    assert stripe.wire.requests == 1


async def test_a_wrong_key_is_told_and_not_repeated_anywhere(tmp_path: Path) -> None:
    async with running(tmp_path, key="sk_live_hunter2") as stripe:
        for call in (stripe.charge("pay_1"), stripe.gateway.find_charge("pay_1")):
            error = await error_of(call)
            assert error.code == "provider_refuses_credentials"
            assert "check PERDURE_STRIPE_API_KEY" in error.message
            assert "hunter2" not in repr(error)
    assert "hunter2" not in repr(StripeSettings(api_key=SecretStr("hunter2")))


async def test_what_needs_its_holder_has_stripes_own_status(stripe: RunningStripe) -> None:
    charge = await stripe.charge("pay_1", "pm_card_authenticationRequired")
    assert charge.status == "requires_action"
    assert (await stripe.gateway.cancel_charge("pay_1")).status == "cancelled"


async def test_what_stripe_is_processing_is_answered_as_it_stands(stripe: RunningStripe) -> None:
    reference = new_id("pay")
    with stripe.wire.fault(CUT_AFTER, acts_only=True):
        await error_of(stripe.charge(reference, "pm_usBankAccount"))
    assert (await stripe.gateway.cancel_charge(reference)).status in {"pending", "succeeded"}


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=2), timedelta(days=3)])
async def test_a_charge_that_the_search_does_not_know_yet_is_found_in_the_list(
    stripe: RunningStripe, age: timedelta
) -> None:
    """However long ago its reference was given: a payment may have waited for hours."""
    reference = earlier_id(new_id("pay"), age)
    await stripe.http.put("/control/search", json={"lag_s": 3600})
    assert await stripe.gateway.find_charge(reference) is None
    made = await stripe.charge(reference)
    assert await stripe.gateway.find_charge(reference) == made


async def test_what_is_older_than_the_list_is_looked_through_is_searched_for(
    stripe: RunningStripe,
) -> None:
    reference = earlier_id(new_id("pay"), timedelta(days=3))
    made = await stripe.charge(reference)
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    stripe.gateway._clock = lambda: in_two_days
    assert await stripe.gateway.find_charge(reference) == made
    await stripe.http.put("/control/search", json={"lag_s": 3600})
    assert await stripe.gateway.find_charge(reference) is None


async def test_never_seen_is_not_said_where_there_is_more_to_look_through(
    stripe: RunningStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_module, "_PAGE", 2)
    monkeypatch.setattr(stripe_module, "_PAGES_MAX", 2)
    references = [new_id("pay") for _ in range(5)]
    for reference in references:
        await stripe.charge(reference)
    assert (await stripe.gateway.find_charge(references[-1])) is not None
    found = await error_of(stripe.gateway.find_charge(references[0]))
    assert isinstance(found, ProviderUnavailable), repr(found)


async def test_a_repeat_within_a_day_is_the_same_charge_whatever_is_found(
    stripe: RunningStripe,
) -> None:
    reference = new_id("pay")
    with stripe.wire.fault(CUT_AFTER):
        assert isinstance(await error_of(stripe.charge(reference)), ProviderOutcomeUnknown)
    made = await stripe.charge(reference)
    assert await stripe.gateway.find_charge(reference) == made
    assert await stripe.charges() == 1


async def test_a_refund_is_made_once_also_when_its_key_is_forgotten(
    stripe: RunningStripe,
) -> None:
    charge = new_id("pay")
    await stripe.charge(charge)
    made = []
    for _ in range(2):
        made.append(
            await stripe.gateway.refund(
                reference="rfd_1", charge_reference=charge, amount_minor=400
            )
        )
        await stripe.http.post("/control/forget_keys")
    assert made[0] == made[1]
    found = await stripe.gateway.find_charge(charge)
    assert found is not None
    assert found.refunded_minor == 400


async def test_a_refund_of_what_nobody_has_is_a_no(stripe: RunningStripe) -> None:
    call = stripe.gateway.refund(reference="r", charge_reference="pay_0", amount_minor=1)
    assert isinstance(await error_of(call), ProviderDeclined)
    assert await stripe.gateway.find_refund("r", charge_reference="pay_0") is None
    assert isinstance(await error_of(stripe.gateway.cancel_charge("pay_0")), InvalidInput)
