"""Stripe as the payment gateway: PaymentIntents under our reference.

Our reference is the idempotency key of what we ask for, and stands in the metadata of what is made
(`perdure_reference`). By it a PaymentIntent is found, in two ways, as neither tells all:

- Stripe's search knows all of them but those of the last minutes: it is behind, by seconds mostly,
  by more where Stripe has an outage.
- Its lists are never behind, and tell by time. Those since our reference was given are looked
  through, or of the last day, where it is older.

So "never seen" is said when neither knows it, and not when there was more to look through than is
looked through: then it is not known. Should that be wrong all the same, the same idempotency key
has the first call's answer repeated for a day, which is as long as the lists are looked through.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

import stripe
from pydantic import SecretStr, TypeAdapter
from pydantic_settings import SettingsConfigDict

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import InvalidInput, ProviderDeclined, ProviderUnavailable
from perdure.core.ids import time_of
from perdure.core.settings import EnvironmentSettings
from perdure.providers.books import WHOLE_LIST_TRIES, pages
from perdure.providers.credentials import HttpSettings
from perdure.providers.gateway import Charge, Refund
from perdure.providers.gateway_callbacks import GatewayEvent
from perdure.providers.host import ProviderHost
from perdure.providers.outcomes import REJECTED
from perdure.providers.stripe_callbacks import event_in, verified
from perdure.providers.stripe_client import act, client_of, read
from perdure.providers.stripe_money import from_stripe, to_stripe
from perdure.providers.stripe_objects import REFERENCE, Intent, StripeRefund, charge_of, refund_of

SEARCH_IS_BEHIND: Final = timedelta(minutes=1)
"""What is younger is not searched for."""
LISTED_FOR: Final = timedelta(hours=24)
"""How far back the lists are looked through: as long as Stripe knows an idempotency key."""
_CLOCKS_APART: Final = timedelta(minutes=5)
_PAGE: Final = 100
_PAGES_MAX: Final = 20

_EXPAND: Final = "latest_charge"


class StripeSettings(EnvironmentSettings):
    """Which Stripe account charges, and how it knows us.

    Args:
        api_key: `sk_live_…`, `sk_test_…` or a restricted key that may write PaymentIntents and
            Refunds.
        callback_secrets: Of the webhook endpoint (`whsec_…`), as JSON; several while one is
            replaced by the next.
        account: The connected account that is charged for (`acct_…`); None: the key's own.
        api_base: Where Stripe is.
        off_session: Nobody sits at a browser: a payment that needs its holder is refused. Without
            it, such a payment stands still (`requires_action`).
    """

    model_config = SettingsConfigDict(env_prefix="PERDURE_STRIPE_")

    api_key: SecretStr
    callback_secrets: list[SecretStr] = []  # noqa: RUF012 - pydantic copies it
    account: str | None = None
    api_base: str = stripe.DEFAULT_API_BASE
    off_session: bool = True


@dataclass(frozen=True, slots=True)
class _Page:
    data: list[Intent]
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class _Refunds:
    data: list[StripeRefund]
    has_more: bool = False


_INTENT: Final = TypeAdapter(Intent)
_INTENTS: Final = TypeAdapter(_Page)
_REFUND: Final = TypeAdapter(StripeRefund)
_REFUNDS: Final = TypeAdapter(_Refunds)


class StripeGateway:
    """A gateway that is Stripe; see `PaymentGateway`.

    Args:
        client: See `client_of`.
        off_session: As in `StripeSettings`.
        callback_secrets: As in `StripeSettings`.
    """

    settings_type = StripeSettings
    example_method = "pm_card_visa"
    """What `perdure up` shows a payment with; in test mode it is a card."""

    def __init__(
        self,
        client: stripe.StripeClient,
        *,
        off_session: bool = True,
        callback_secrets: tuple[str, ...] = (),
        clock: Clock = utc_now,
    ) -> None:
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._off_session = off_session
        self._callback_secrets = callback_secrets
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: StripeSettings, host: ProviderHost) -> Self:
        """Return the account's gateway."""
        client = client_of(
            host.http(HttpSettings(url=settings.api_base)),
            api_key=settings.api_key.get_secret_value(),
            api_base=settings.api_base,
            account=settings.account,
        )
        secrets = tuple(secret.get_secret_value() for secret in settings.callback_secrets)
        return cls(
            client,
            off_session=settings.off_session,
            callback_secrets=secrets,
            clock=host.clock,
        )

    async def charge(
        self,
        *,
        reference: str,
        amount_minor: int,
        currency: str,
        payment_method: str,
        callback_url: str | None = None,  # noqa: ARG002 - the account's webhook endpoint has it
    ) -> Charge:
        """Confirm a PaymentIntent; the method is `pm_…`, or `cus_…/pm_…` where a customer has it.

        Raises:
            InvalidInput: `amount_not_representable`, beside what `PaymentGateway.charge` raises.
        """
        customer, _, method = payment_method.rpartition("/")
        asked: dict[str, Any] = {
            "amount": to_stripe(amount_minor, currency),
            "currency": currency.lower(),
            "payment_method": method,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {REFERENCE: reference},
            "expand": [_EXPAND],
        }
        if customer:
            asked["customer"] = customer
        if self._off_session:
            asked["off_session"] = True
        options: Any = {"idempotency_key": reference}
        return charge_of(
            await act(self._intents.create_async(_params(asked), options=options), _INTENT)
        )

    async def find_charge(self, reference: str) -> Charge | None:
        """Ask for the charge under our reference; see above for when it was never seen."""
        found = await self._find(reference)
        return charge_of(found) if found else None

    async def cancel_charge(self, reference: str) -> Charge:
        """Cancel what has not ended; what Stripe is processing is answered as it stands.

        Raises:
            InvalidInput: `provider_rejected_request`: there is none.
        """
        found = await self._find(reference)
        if found is None:
            raise InvalidInput(f"Stripe has no charge under {reference}.", code=REJECTED)
        if found.has_ended:
            return charge_of(found)
        expand: Any = {"expand": [_EXPAND]}
        try:
            return charge_of(await act(self._intents.cancel_async(found.id, expand), _INTENT))
        except InvalidInput:
            # Not in this state: it has ended meanwhile, or has to be waited for.
            return charge_of(await self._retrieved(found.id))

    async def refund(self, *, reference: str, charge_reference: str, amount_minor: int) -> Refund:
        """Give back a charge; once per reference, also when Stripe has forgotten the key."""
        charge = await self._find(charge_reference)
        if charge is None:
            raise ProviderDeclined(
                f"Stripe has no charge under {charge_reference}.", code="charge_not_refundable"
            )
        if (made := await self._refund_under(reference, charge)) is not None:
            return made
        asked: Any = {
            "payment_intent": charge.id,
            "amount": to_stripe(amount_minor, charge.currency.upper()),
            "metadata": {REFERENCE: reference},
        }
        # With the amount: what was refused because less is left is asked for again with that.
        options: Any = {"idempotency_key": f"{reference}:{amount_minor}"}
        return refund_of(
            await act(self._refunds.create_async(asked, options=options), _REFUND), charge
        )

    async def find_refund(self, reference: str, *, charge_reference: str) -> Refund | None:
        """Ask for the refund of a charge under our reference; Stripe's list is never behind."""
        charge = await self._find(charge_reference)
        return await self._refund_under(reference, charge) if charge else None

    async def read_callback(self, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        """Check what came to the webhook endpoint, and read it; see `PaymentGateway`."""
        event = verified(self._callback_secrets, headers, body)
        told = event["data"]["object"]
        reference = (told.get("metadata") or {}).get(REFERENCE)
        if reference is None and isinstance(intent_id := told.get("payment_intent"), str):
            # A dispute says of which PaymentIntent it is, which says whose that is.
            reference = (await self._retrieved(intent_id)).metadata.get(REFERENCE)
        return event_in(event, reference)

    async def books(self, since: datetime | None) -> AsyncIterator[Charge]:
        """Yield every PaymentIntent under a reference of ours; see `TellsBooks`.

        What was given back of one is what Stripe lists as its refunds, but for those that failed.
        """
        asked = {} if since is None else {"created": {"gte": _created(since)}}
        given_back: Counter[str | None] = Counter()
        async for refunds in pages(
            lambda more: read(self._refunds.list_async(_params(asked | more)), _REFUNDS),
            limit=_PAGE,
            tries=WHOLE_LIST_TRIES,
        ):
            for refund in refunds.data:
                if refund.gives_back:
                    given_back[refund.payment_intent] += refund.amount
        async for intents in pages(
            lambda more: read(self._intents.list_async(_params(asked | more)), _INTENTS),
            limit=_PAGE,
            tries=WHOLE_LIST_TRIES,
        ):
            for intent in intents.data:
                if REFERENCE in intent.metadata:
                    charge = charge_of(intent)
                    refunded_minor = from_stripe(given_back[intent.id], charge.currency)
                    yield replace(charge, refunded_minor=refunded_minor)

    async def _retrieved(self, intent_id: str) -> Intent:
        expand: Any = {"expand": [_EXPAND]}
        return await read(self._intents.retrieve_async(intent_id, expand), _INTENT)

    async def _find(self, reference: str) -> Intent | None:
        """Return what Stripe has under our reference; None: it never saw it.

        Raises:
            ProviderUnavailable: It cannot be said now.
        """
        now, given_at = self._clock(), time_of(reference.partition(":")[0])
        searched = False
        if given_at is None or now - given_at > SEARCH_IS_BEHIND:
            try:
                if found := await self._search(reference):
                    return found
                searched = True
            except InvalidInput:
                pass  # not every account has the search; then the lists have to tell
        since = now - LISTED_FOR
        if given_at is not None:
            since = max(given_at, since) if searched else given_at
        return await self._listed(reference, since)

    async def _search(self, reference: str) -> Intent | None:
        quoted = reference.replace("\\", "\\\\").replace("'", "\\'")
        query: Any = {"query": f"metadata['{REFERENCE}']:'{quoted}'", "limit": _PAGE}
        page = await read(self._intents.search_async(query), _INTENTS)
        # Its index is behind: what it has now is asked for.
        return _the_one([await self._retrieved(found.id) for found in page.data], reference)

    async def _listed(self, reference: str, since: datetime) -> Intent | None:
        asked = {"created": {"gte": _created(since)}, "expand": [f"data.{_EXPAND}"]}
        async for page in pages(
            lambda more: read(self._intents.list_async(_params(asked | more)), _INTENTS),
            limit=_PAGE,
            pages_max=_PAGES_MAX,
        ):
            if found := _the_one(page.data, reference):
                return found
        _check_all_seen(page)
        return None

    async def _refund_under(self, reference: str, charge: Intent) -> Refund | None:
        asked = {"payment_intent": charge.id}
        async for page in pages(
            lambda more: read(self._refunds.list_async(_params(asked | more)), _REFUNDS),
            limit=_PAGE,
            pages_max=_PAGES_MAX,
        ):
            for found in page.data:
                if found.metadata.get(REFERENCE) == reference:
                    return refund_of(found, charge)
        _check_all_seen(page)
        return None


def _params(asked: Mapping[str, Any]) -> Any:
    """Return parameters as the library's types want them, which are a class for each call."""
    return dict(asked)


def _created(since: datetime) -> int:
    """Return a moment as lists are asked for what is not older, whichever clock goes ahead."""
    return int((since - _CLOCKS_APART).timestamp())


def _check_all_seen(last: _Page | _Refunds) -> None:
    """Raise if there is more than is looked through."""
    if last.has_more and last.data:
        raise ProviderUnavailable(
            f"Stripe lists more than the {_PAGES_MAX * _PAGE} that are looked through; it is asked"
            " again until its search knows."
        )


def _the_one(found: list[Intent], reference: str) -> Intent | None:
    """Return the PaymentIntent under a reference: one that has the money before any other."""
    ours = [intent for intent in found if intent.metadata.get(REFERENCE) == reference]
    ours.sort(key=lambda intent: (intent.status != "succeeded", intent.created))
    return ours[0] if ours else None
