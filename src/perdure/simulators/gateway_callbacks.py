"""How the simulated gateway tells what became of its charges."""

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from perdure.core.errors import ConfigurationError
from perdure.core.telemetry import telemetry
from perdure.simulators.gateway_behaviour import Lie
from perdure.simulators.gateway_books import Charge, Event, GatewayBooks

RETRY_DELAYS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits between attempts; the last one again and again."""
GIVE_UP_AFTER_S: Final = 86_400.0
TIMEOUT_S: Final = 5.0
CONNECTIONS_MAX: Final = 20


def is_allowed_url(url: str, extra_hosts: tuple[str, ...]) -> bool:
    """Tell whether a callback may go there: only to this machine, or to a host that was named."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or not host:
        return False
    if host == "localhost" or host in extra_hosts:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def open_client() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the client that callbacks are sent with."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as client:
        yield client


def webhook_of(secret: str) -> Webhook:
    """Return what signs callbacks.

    Raises:
        ConfigurationError: The secret is none.
    """
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise ConfigurationError(
            "The secret that signs callbacks must be `whsec_` and base64.",
            param="callback_secret",
        ) from error


def signed_headers(webhook: Webhook, event_id: str, body: str) -> dict[str, str]:
    """Return the headers of a callback, signed as Standard Webhooks say."""
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(event_id, now, body),
    }


async def post(
    client: aiohttp.ClientSession, url: str, body: str, headers: Mapping[str, str]
) -> bool:
    """Send a callback once; tells whether it was taken."""
    try:
        async with client.post(
            url,
            data=body.encode(),
            headers={**headers, **telemetry().carried()},
            allow_redirects=False,
        ) as response:
            await response.read()
            return response.ok
    except (aiohttp.ClientError, OSError):
        return False


class Callbacks:
    """Sends events, signed by Standard Webhooks, until they are taken.

    Args:
        books: Where events are kept until they are delivered.
        client: For the requests.
        secret: `whsec_` and base64.

    Raises:
        ConfigurationError: The secret is none.
    """

    def __init__(self, books: GatewayBooks, client: aiohttp.ClientSession, secret: str) -> None:
        self._books = books
        self._client = client
        self._webhook = webhook_of(secret)

    async def deliver(self, event: Event) -> None:
        """Send an event when it is due, and again until the receiver takes it."""
        await asyncio.sleep(max(0.0, event.deliver_at - time.time()))
        charge = self._books.charge(event.charge_id)
        for delay_s in chain(RETRY_DELAYS_S, repeat(RETRY_DELAYS_S[-1])):
            if await self.send(event):
                for _ in range(charge.callback_copies - 1 if event.tells_the_end else 0):
                    await self.send(event)
                break
            if time.time() - event.occurred_at > GIVE_UP_AFTER_S:
                break
            await asyncio.sleep(delay_s)
        self._books.record_delivery(event)

    async def send(self, event: Event) -> bool:
        """Send an event once; tells whether it was taken."""
        charge = self._books.charge(event.charge_id)
        assert charge.callback_url is not None
        body = self.body(event, charge)
        return await post(self._client, charge.callback_url, body, self.headers(event, body))

    def body(self, event: Event, charge: Charge) -> str:
        """Return what is told."""
        return _body(event, charge)

    def headers(self, event: Event, body: str) -> dict[str, str]:
        """Return who signed it."""
        return signed_headers(self._webhook, event.id, body)


def _body(event: Event, charge: Charge) -> str:
    occurred_at = datetime.fromtimestamp(event.occurred_at, UTC)
    data = charge.view() | _lies(event, charge)
    content = {"type": event.type, "timestamp": occurred_at.isoformat(), "data": data}
    return json.dumps(content, separators=(",", ":"))


def _lies(event: Event, charge: Charge) -> dict[str, Any]:
    """Return what a callback tells otherwise than the books have it."""
    failed = {"status": "failed", "failure_code": "lied"}
    told: dict[str | None, dict[str, Any]] = {
        Lie.ID: failed | {"id": f"ch_not_{charge.id}"},
        Lie.AMOUNT: {"status": "succeeded", "amount_minor": charge.amount_minor * 100},
        Lie.CURRENCY: {"status": "succeeded", "currency": _other_currency(charge.currency)},
        Lie.REFERENCE: {"status": "succeeded", "reference": event.reference},
        Lie.STATUS: {"status": "succeeded"},
        Lie.PENDING: {"status": "pending"},
        Lie.FAILED: failed,
    }
    return told.get(event.lie, {})


def _other_currency(currency: str) -> str:
    return "USD" if currency == "JPY" else "JPY"
