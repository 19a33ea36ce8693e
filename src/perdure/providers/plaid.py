"""Plaid, as a bank aggregator: https://plaid.com/docs/api/products/transactions/."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

import aiohttp
from pydantic import Field, SecretStr, TypeAdapter

from perdure.core.errors import (
    CREDENTIALS_REFUSED,
    ProviderDeclined,
    ProviderError,
    ProviderUnavailable,
)
from perdure.providers.aggregator import (
    AGGREGATOR_ROLE,
    ITEM_GONE,
    LOGIN_REQUIRED,
    PAGES_CHANGED,
    TOKEN_REFUSED,
    AggregatorEvent,
    Linked,
    LinkedItem,
    LinkToken,
    TransactionsPage,
)
from perdure.providers.credentials import HttpSettings
from perdure.providers.host import ProviderHost
from perdure.providers.http import ProviderHttp
from perdure.providers.plaid_shapes import (
    EXCHANGED,
    ITEM,
    KEY,
    LINK_TOKEN,
    NOTHING,
    PAGE,
    KeyGot,
    page_of,
)
from perdure.providers.plaid_webhooks import Jwk, PlaidWebhooks

_NEEDS_LOGIN: Final = frozenset(
    {
        "ITEM_LOGIN_REQUIRED",
        "INSUFFICIENT_CREDENTIALS",
        "INVALID_CREDENTIALS",
        "INVALID_MFA",
        "ITEM_LOCKED",
        "USER_INPUT_TIMEOUT",
        "USER_SETUP_REQUIRED",
    }
)
_GONE: Final = frozenset(
    {
        "ACCESS_NOT_GRANTED",
        "INVALID_ACCESS_TOKEN",
        "ITEM_NOT_FOUND",
        "USER_PERMISSION_REVOKED",
    }
)
OURS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_NEEDS_LOGIN, LOGIN_REQUIRED),
    **dict.fromkeys(_GONE, ITEM_GONE),
    "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION": PAGES_CHANGED,
    "INVALID_PUBLIC_TOKEN": TOKEN_REFUSED,
}
"""Plaid's codes of a no, and ours for them."""

_AWAY: Final = frozenset(
    {
        "INSTITUTION_DOWN",
        "INSTITUTION_NOT_RESPONDING",
        "INSTITUTION_NOT_AVAILABLE",
        "INTERNAL_SERVER_ERROR",
        "PLANNED_MAINTENANCE",
        "PRODUCT_NOT_READY",
    }
)
"""Those that come with a 400, and are about now alone."""
_KNOWS_US_NOT: Final = frozenset({"INVALID_API_KEYS", "UNAUTHORIZED_ENVIRONMENT"})
_KNOWN: Final = frozenset(OURS) | _AWAY | _KNOWS_US_NOT
_UNKNOWN_KEY: Final = "INVALID_WEBHOOK_VERIFICATION_KEY_ID"


class PlaidSettings(HttpSettings):
    """Where Plaid is, how it knows us, and what a customer sees of us there.

    Args:
        client_id, secret: Sent as `PLAID-CLIENT-ID` and `PLAID-SECRET`.
        client_name: What Link calls us; up to 30 characters.
        language: Of Link.
        country_codes: Whose banks can be linked, as JSON: `["US", "CA"]`.
        callback_url: Where items that are linked tell us at.
        days: How much of the past a new item is read for, in days.
    """

    client_id: str | None = None
    secret: SecretStr | None = None
    client_name: Annotated[str, Field(min_length=1, max_length=30)] = "Perdure"
    language: str = "en"
    country_codes: list[str] = ["US"]  # noqa: RUF012 - pydantic copies it
    callback_url: str = ""
    days: int = Field(default=730, ge=1, le=730)

    pairs = (*HttpSettings.pairs, ("client_id", "secret"))

    @property
    def sends_secrets(self) -> bool:
        """Whether what is sent would let who reads it act as us."""
        return self.secret is not None or super().sends_secrets

    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        if self.client_id is None or self.secret is None:
            return super().headers()
        own = {"PLAID-CLIENT-ID": self.client_id, "PLAID-SECRET": self.secret.get_secret_value()}
        return {**super().headers(), **own}


class PlaidAggregator:
    """Plaid.

    Args:
        client: With the base URL, the time-outs and who we are; see `open_http_client`.
        settings: What a customer sees of us.
    """

    settings_type = PlaidSettings

    def __init__(self, client: aiohttp.ClientSession, settings: PlaidSettings) -> None:
        self._settings = settings
        self._http = ProviderHttp(
            client,
            "The bank aggregator",
            refusals=_KNOWN,
            simulated_by=AGGREGATOR_ROLE.simulated_as(),
        )
        self._webhooks = PlaidWebhooks(self._key)

    @classmethod
    def from_settings(cls, settings: PlaidSettings, host: ProviderHost) -> Self:
        """Return Plaid at a URL."""
        return cls(host.http(settings), settings)

    async def create_link_token(self, customer_id: str, reference: str) -> LinkToken:
        """Return a token with which a customer links; see `BankAggregator.create_link_token`."""
        own = self._settings
        body: dict[str, Any] = {
            "client_name": own.client_name,
            "language": own.language,
            "country_codes": own.country_codes,
            "user": {"client_user_id": customer_id},
            "products": ["transactions"],
            "transactions": {"days_requested": own.days},
        }
        if own.callback_url:
            body["webhook"] = own.callback_url
        made = await self._act("/link/token/create", body, LINK_TOKEN, idempotency_key=reference)
        return LinkToken(made.link_token, made.expiration)

    async def exchange(self, public_token: str) -> Linked:
        """Return the item that was linked; see `BankAggregator.exchange`."""
        body = {"public_token": public_token}
        made = await self._act("/item/public_token/exchange", body, EXCHANGED)
        return Linked(made.item_id, made.access_token)

    async def item(self, access_token: str) -> LinkedItem:
        """Return what is known of an item; see `BankAggregator.item`."""
        got = (await self._read("/item/get", {"access_token": access_token}, ITEM)).item
        code = got.error.error_code if got.error else None
        return LinkedItem(got.item_id, got.institution_name, OURS.get(code, code) if code else None)

    async def remove_item(self, access_token: str) -> None:
        """Have an item be no more; see `BankAggregator.remove_item`."""
        try:
            await self._act("/item/remove", {"access_token": access_token}, NOTHING)
        except ProviderDeclined as declined:
            if declined.code != ITEM_GONE:
                raise

    async def transactions(self, access_token: str, *, cursor: str, count: int) -> TransactionsPage:
        """Return a page; see `BankAggregator.transactions`."""
        body = {
            "access_token": access_token,
            "count": count,
            "options": {"personal_finance_category_version": "v2"},
        }
        if cursor:
            body["cursor"] = cursor
        return page_of(await self._read("/transactions/sync", body, PAGE))

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> AggregatorEvent:
        """Check who sent a webhook, and read it; see `BankAggregator.read_webhook`."""
        return await self._webhooks.read(headers, body)

    async def is_there(self, reference: str) -> bool:
        """Ask for a key that nobody has."""
        return await self._key(reference) is not None

    async def _key(self, kid: str) -> Jwk | None:
        """Return the key that signs webhooks under an id; None: there is none."""
        try:
            found: KeyGot = await self._read(
                "/webhook_verification_key/get",
                {"key_id": kid},
                KEY,
                refusals=frozenset({_UNKNOWN_KEY, "INVALID_FIELD"}),
            )
        except ProviderDeclined:
            return None
        return found.key

    async def _act(
        self,
        path: str,
        body: dict[str, Any],
        returns: TypeAdapter[Any],
        *,
        idempotency_key: str | None = None,
    ) -> Any:
        try:
            return await self._http.act(path, body, returns, idempotency_key=idempotency_key)
        except ProviderDeclined as declined:
            raise _in_our_words(declined) from declined

    async def _read(
        self,
        path: str,
        body: dict[str, Any],
        returns: TypeAdapter[Any],
        *,
        refusals: frozenset[str] = frozenset(),
    ) -> Any:
        try:
            return await self._http.read(
                path, returns, body=body, refusals=_KNOWN | refusals, exact=True
            )
        except ProviderDeclined as declined:
            raise _in_our_words(declined) from declined


def _in_our_words(declined: ProviderDeclined) -> ProviderDeclined | ProviderError:
    if declined.code in _KNOWS_US_NOT:
        return ProviderUnavailable(
            f"The bank aggregator does not take our credentials ({declined.code}); check its"
            " settings.",
            code=CREDENTIALS_REFUSED,
        )
    if declined.code in _AWAY:
        return ProviderUnavailable(
            f"The bank aggregator does not get through to the bank ({declined.code}); try again"
            " later."
        )
    return ProviderDeclined(declined.message, code=OURS.get(declined.code, declined.code))
