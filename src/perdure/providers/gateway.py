"""The payment gateway: charges and refunds."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, Self
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter

from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.gateway_callbacks import GatewayEvent, verify_callback
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.signed_callbacks import CallbackSettings
from perdure.providers.simulator import Listener, Simulator

CHARGE_STATUSES: Final = frozenset({"pending", "succeeded", "failed", "cancelled"})
REFUND_STATUSES: Final = frozenset({"succeeded"})

REFUSALS: Final = frozenset({"refund_exceeds_charge", "charge_not_refundable"})
"""The gateway's own words for a no that stays one, beside those of a 402."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken from a payment method, or about to be.

    Args:
        id: The gateway's.
        reference: Ours.
        status: One of `CHARGE_STATUSES`, as far as we know.
        failure_code: Why it failed, where it did.
        refunded_minor: How much of the amount was given back.
    """

    id: str
    reference: str
    amount_minor: int
    currency: str
    status: str
    failure_code: str | None = None
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back to a payment method.

    Args:
        id: The gateway's.
        reference: Ours.
        charge_id: The gateway's id of the charge it gives back.
        status: One of `REFUND_STATUSES`, as far as we know.
    """

    id: str
    reference: str
    charge_id: str
    amount_minor: int
    currency: str
    status: str = "succeeded"


class PaymentGateway(Protocol):
    """What Perdure needs of a gateway.

    Every method raises `ProviderUnavailable` and `ProviderRateLimited` (nothing was done), and
    `InvalidInput` with `provider_rejected_request` (nothing was done, and never would be).
    """

    async def charge(
        self,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        payment_method: str,
        callback_url: str | None = None,
    ) -> Charge:
        """Take money. Not to be repeated on a guess: the gateway may not know repeats as such.

        Raises:
            ProviderDeclined: The payment method's answer is no; the code is the gateway's.
            ProviderOutcomeUnknown: It may have been taken; `find_charge` tells.
        """
        ...

    async def find_charge(self, reference: str) -> Charge | None:
        """Ask for the charge under our reference; None: the gateway never saw it."""
        ...

    async def cancel_charge(self, reference: str) -> Charge:
        """Call off a pending charge; one that has ended is answered as it is. Repeatable.

        Raises:
            ProviderOutcomeUnknown: It may have been called off.
        """
        ...

    async def refund(self, *, reference: str, charge_reference: str, amount_minor: int) -> Refund:
        """Give back a succeeded charge, in part or in whole; once per reference.

        Raises:
            ProviderOutcomeUnknown: It may have been given back.
        """
        ...

    async def find_refund(self, reference: str, *, charge_reference: str) -> Refund | None:
        """Ask for the refund of a charge under our reference; None: the gateway never saw it."""
        ...

    async def read_callback(self, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        """Check who sent a callback, by its signature, and read it.

        A gateway that sends none raises `Unauthenticated`.

        Raises:
            Unauthenticated: `invalid_signature`, `stale_callback`.
            InvalidInput: `malformed_callback`: rightly signed, but not an event, or not one that
                can be kept.
            ConfigurationError: There is no secret to check it with, or one that is none.
            ProviderError: What it is about could not be asked; it is to be sent again.
        """
        ...


GATEWAY_ROLE: Final[Role[PaymentGateway]] = Role(
    "gateway",
    PaymentGateway,
    {
        "http": "perdure.providers.gateway:HttpPaymentGateway",
        "stripe": "perdure.providers.stripe:StripeGateway",
    },
    default="http",
    ask=lambda gateway: gateway.find_charge(ASKED_BY_DOCTOR),
    timeout_s=5.0,
    callbacks="/v1/callbacks/gateway",
    simulator=Simulator(
        name="gateway",
        commands={
            "gateway": "perdure.simulators.commands:gateway",
            "stripe": "perdure.simulators.commands:stripe",
        },
        listens=(Listener("gateway_port", 8101),),
        has_faults=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Charges:
    data: list[Charge]


@dataclass(frozen=True, slots=True)
class _Refunds:
    data: list[Refund]


_CHARGE: Final = TypeAdapter(Charge)
_CHARGES: Final = TypeAdapter(_Charges)
_REFUND: Final = TypeAdapter(Refund)
_REFUNDS: Final = TypeAdapter(_Refunds)


class HttpPaymentGateway:
    """A gateway over HTTP, whose callbacks are signed as Standard Webhooks say.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
        callback_secrets: Any of them may have signed a callback.
    """

    settings_type = CallbackSettings

    def __init__(
        self, client: aiohttp.ClientSession, *, callback_secrets: tuple[str, ...] = ()
    ) -> None:
        self._callback_secrets = callback_secrets
        self._http = ProviderHttp(
            client,
            "The payment gateway",
            refusals=REFUSALS,
            simulated_by=GATEWAY_ROLE.simulated_as(),
        )

    @classmethod
    def from_settings(cls, settings: CallbackSettings, host: ProviderHost) -> Self:
        """Return the gateway at a URL."""
        return cls(host.http(settings), callback_secrets=settings.secrets)

    async def charge(
        self,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        payment_method: str,
        callback_url: str | None = None,
    ) -> Charge:
        """Take money; see `PaymentGateway.charge`."""
        body = {
            "reference": reference,
            "amount_minor": amount_minor,
            "currency": currency,
            "payment_method": payment_method,
            "callback_url": callback_url,
        }
        return await self._http.act("/v1/charges", body, _CHARGE, idempotency_key=reference)

    async def find_charge(self, reference: str) -> Charge | None:
        """Ask for a charge; where there are several, the first: the others are not ours to use."""
        page = await self._http.read("/v1/charges", _CHARGES, params={"reference": reference})
        return page.data[0] if page.data else None

    async def cancel_charge(self, reference: str) -> Charge:
        """Call off a pending charge; see `PaymentGateway.cancel_charge`."""
        path = f"/v1/charges/{quote(reference, safe='')}/cancel"
        return await self._http.act(path, {}, _CHARGE)

    async def refund(self, *, reference: str, charge_reference: str, amount_minor: int) -> Refund:
        """Give a charge back; see `PaymentGateway.refund`."""
        body = {
            "reference": reference,
            "charge_reference": charge_reference,
            "amount_minor": amount_minor,
        }
        return await self._http.act("/v1/refunds", body, _REFUND, idempotency_key=reference)

    async def find_refund(
        self,
        reference: str,
        *,
        charge_reference: str,  # noqa: ARG002 - it is found without
    ) -> Refund | None:
        """Ask for a refund under our reference."""
        page = await self._http.read("/v1/refunds", _REFUNDS, params={"reference": reference})
        return page.data[0] if page.data else None

    def books(self, since: datetime | None) -> AsyncIterator[Charge]:  # noqa: ARG002 - it has all
        """Yield every charge there is; see `TellsBooks`."""
        return self._http.read_all("/v1/charges", Charge)

    async def read_callback(self, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        """Check a callback's signature (https://www.standardwebhooks.com), and read it."""
        return verify_callback(self._callback_secrets, headers, body)
