"""Who is asked for giftcards: what we need of it, and a client of its HTTP API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, Self

import aiohttp
from pydantic import TypeAdapter

from perdure import (
    ASKED_BY_DOCTOR,
    HttpSettings,
    Listener,
    ProviderHost,
    ProviderHttp,
    Role,
    Simulator,
)
from perdure_giftcards.contracts import GiftcardRequest, Order


class GiftcardProvider(Protocol):
    """What we need of a provider.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be).
    """

    async def order(self, reference: str, asked: GiftcardRequest) -> Order:
        """Order one. Not to be repeated on a guess: the provider may not know repeats as such.

        Raises:
            ProviderDeclined: The answer is no (`sold_out`…); nothing was ordered.
            ProviderOutcomeUnknown: It may have been ordered; `find` tells.
        """
        ...

    async def find(self, reference: str) -> Order | None:
        """Ask for the order under our reference; None: the provider never saw it."""
        ...

    async def revoke(self, reference: str) -> Order:
        """Take an order back. Repeatable.

        A reference the provider never saw is revoked too, as an order of nothing: whatever arrives
        under it afterwards is declined.

        Raises:
            ProviderDeclined: It stays as it is.
            ProviderOutcomeUnknown: It may have been revoked.
        """
        ...


GIFTCARD_ROLE: Final[Role[GiftcardProvider]] = Role(
    "giftcards",
    GiftcardProvider,
    {"http": "perdure_giftcards.provider:HttpGiftcardProvider"},
    default="http",
    ask=lambda provider: provider.find(ASKED_BY_DOCTOR),
    simulator=Simulator(
        name="giftcards",
        commands={"giftcards": "perdure_giftcards.simulator:giftcards"},
        listens=(Listener("giftcards_port", 8190),),
    ),
)
"""Another class serves it by `PERDURE_GIFTCARDS`, found by its entry point; see Perdure's guide."""


@dataclass(frozen=True, slots=True)
class _Orders:
    data: list[Order]


_ORDER: Final = TypeAdapter(Order)
_ORDERS: Final = TypeAdapter(_Orders)


class HttpGiftcardProvider:
    """A provider over HTTP."""

    settings_type = HttpSettings

    def __init__(self, client: aiohttp.ClientSession) -> None:
        # The provider's own words for a no that stays one, beside those of a 402.
        self._http = ProviderHttp(client, "The provider", refusals=frozenset({"order_revoked"}))

    @classmethod
    def from_settings(cls, settings: HttpSettings, host: ProviderHost) -> Self:
        """Return the provider at a URL."""
        return cls(host.http(settings))

    async def order(self, reference: str, asked: GiftcardRequest) -> Order:
        """Order one; see `GiftcardProvider.order`."""
        body = {
            "reference": reference,
            "amount_minor": asked.amount_minor,
            "currency": asked.currency,
            "item": asked.item,
        }
        return await self._http.act("/v1/orders", body, _ORDER, idempotency_key=reference)

    async def find(self, reference: str) -> Order | None:
        """Ask for an order; where there are several, the first: the others are not ours to use."""
        page = await self._http.read("/v1/orders", _ORDERS, params={"reference": reference})
        return page.data[0] if page.data else None

    async def revoke(self, reference: str) -> Order:
        """Take an order back; see `GiftcardProvider.revoke`."""
        return await self._http.act("/v1/orders/revoke", {"reference": reference}, _ORDER)

    def books(self, since: datetime | None) -> AsyncIterator[Order]:  # noqa: ARG002 - it has all
        """Yield every order there is; see `TellsBooks`."""
        return self._http.read_all("/v1/orders", Order)
