"""Our requests and Stripe's answers have the shapes that Stripe itself describes: its own server.

`stripe-mock` checks every request against Stripe's OpenAPI description and answers with its
fixtures; it remembers nothing.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from perdure.core.ids import new_id
from perdure.core.ports import LOOPBACK, hold_port
from perdure.providers.host import ProviderHost
from perdure.providers.stripe import StripeGateway, StripeSettings
from tests.go_programs import go_program
from tests.polls import eventually

VERSION: Final = "v0.203.0"
PACKAGE: Final = f"github.com/stripe/stripe-mock@{VERSION}"
BUILD_TIMEOUT_S: Final = 100


def stripe_mock() -> Path:
    """Return the server."""
    return go_program("stripe-mock", PACKAGE, timeout_s=BUILD_TIMEOUT_S)


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[StripeGateway]:
    """Our gateway, with Stripe's own server behind it."""
    binary = stripe_mock()
    with hold_port(LOOPBACK, 0) as held:
        process = await asyncio.create_subprocess_exec(
            binary, "-http-addr", f"{LOOPBACK}:{held.number}", stdout=subprocess.DEVNULL
        )
        try:
            await eventually(lambda: listens(held.number))
            async with ProviderHost(timeout_s=30) as host:
                url = f"http://{LOOPBACK}:{held.number}"
                settings = StripeSettings(api_base=url, api_key=SecretStr("sk_test_1"))
                yield StripeGateway.from_settings(settings, host)
        finally:
            process.terminate()
            await process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_payment_intent_is_created(gateway: StripeGateway) -> None:
    made = await gateway.charge(
        reference=new_id("pay"),
        amount_minor=1250,
        currency="EUR",
        payment_method="cus_1/pm_card_visa",
    )
    assert made.id.startswith("pi_")
    assert (made.amount_minor, made.currency) == (1250, "EUR")


async def test_a_payment_intent_is_looked_for(gateway: StripeGateway) -> None:
    """In the list, and in the search; none of what it answers with is ours."""
    assert await gateway.find_charge(new_id("pay")) is None
    assert await gateway.find_charge("pay_01h455vb4pex5vsknk084sn02q") is None


@pytest.mark.parametrize("since", [None, datetime(2026, 1, 1, tzinfo=UTC)])
async def test_the_books_are_read(gateway: StripeGateway, since: datetime | None) -> None:
    """Refunds and PaymentIntents, in pages; none of them is ours."""
    assert [charge async for charge in gateway.books(since)] == []


async def test_a_payment_intent_is_read_cancelled_and_given_back(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = await gateway._retrieved("pi_123")
    assert (intent.id, intent.currency) == ("pi_123", "usd")

    async def find(reference: str) -> object:
        assert reference == "pay_1"
        return intent

    monkeypatch.setattr(gateway, "_find", find)
    assert (await gateway.cancel_charge("pay_1")).id == "pi_123"
    refund = await gateway.refund(reference="r", charge_reference="pay_1", amount_minor=100)
    assert refund.id.startswith("re_")
    assert (refund.charge_id, refund.amount_minor, refund.status) == ("pi_123", 100, "succeeded")
    assert await gateway.find_refund("r", charge_reference="pay_1") is None
