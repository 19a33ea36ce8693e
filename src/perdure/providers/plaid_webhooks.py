"""Plaid's webhooks: who sent them, and what they tell.

Each is signed by a JWT in the header `Plaid-Verification`, of the digest of its body:
https://plaid.com/docs/api/webhooks/webhook-verification/.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import jwt
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import InvalidInput, Unauthenticated
from perdure.providers.aggregator import AggregatorEvent, EventKind
from perdure.providers.outcomes import storable_text

ALGORITHM: Final = "ES256"
"""The only one: whoever may choose, chooses none."""
TOLERANCE_S: Final = 300
"""How far the time of signing may be from now, either way."""

_HEADER: Final = "plaid-verification"
_KEYS_MAX: Final = 100
_ASKED_AGAIN: Final = timedelta(hours=1)
"""How long a key is believed in: it may expire."""
_UNKNOWN_MAX: Final = 10
"""How many keys that turn out to be none are asked for in a minute: anybody can name some."""


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key, as Plaid tells of it.

    Args:
        expired_at: Since when it signs nothing any more, in seconds; None: it does.
    """

    kty: Literal["EC"]
    crv: Literal["P-256"]
    alg: Literal["ES256"]
    kid: str
    x: str
    y: str
    use: Literal["sig"] = "sig"
    created_at: int = 0
    expired_at: int | None = None


KeyOf = Callable[[str], Awaitable[Jwk | None]]

_Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)]
_Text = Annotated[str, AfterValidator(storable_text)]


@dataclass(frozen=True, slots=True)
class _Header:
    alg: Literal["ES256"]
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


@dataclass(frozen=True, slots=True)
class _Claims:
    iat: Annotated[int, Field(ge=0, strict=True)]
    request_body_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class _Error:
    error_code: _Text = ""


@dataclass(frozen=True, slots=True)
class _Event:
    webhook_type: _Text
    webhook_code: _Text
    item_id: _Id | None = None
    error: _Error | None = None


_HEADERS: Final = TypeAdapter(_Header)
_CLAIMS: Final = TypeAdapter(_Claims)
_EVENT: Final = TypeAdapter(_Event)

_KINDS: Final[Mapping[tuple[str, str], EventKind]] = {
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"): EventKind.UPDATES,
    ("ITEM", "LOGIN_REPAIRED"): EventKind.LOGIN_REPAIRED,
    ("ITEM", "USER_PERMISSION_REVOKED"): EventKind.GONE,
}


class PlaidWebhooks:
    """Checks webhooks, with keys that are asked for once and again after an hour.

    Args:
        key_of: Asks Plaid for a key by its id.
    """

    def __init__(self, key_of: KeyOf, clock: Clock = utc_now) -> None:
        self._key_of = key_of
        self._clock = clock
        self._keys: dict[str, tuple[Jwk, datetime]] = {}
        self._unknown: list[datetime] = []

    async def read(self, headers: Mapping[str, str], body: bytes) -> AggregatorEvent:
        """Check a webhook, and read it; see `BankAggregator.read_webhook`.

        Raises:
            Unauthenticated: `invalid_signature`, `stale_callback`.
            InvalidInput: `malformed_callback`.
            ProviderUnavailable, ProviderRateLimited: Its key cannot be had now.
        """
        token = {name.lower(): value for name, value in headers.items()}.get(_HEADER, "")
        claims = _claims_of(token, await self._key(_kid_of(token)))
        signed_s_ago = self._clock().timestamp() - claims.iat
        if abs(signed_s_ago) > TOLERANCE_S:
            raise Unauthenticated(
                "The webhook was signed more than five minutes from now; check the clock.",
                code="stale_callback",
            )
        digest = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(digest, claims.request_body_sha256):
            raise _not_plaids()
        return _event(body)

    async def _key(self, kid: str) -> Jwk:
        now = self._clock()
        found, asked_at = self._keys.get(kid, (None, now))
        if found is None or now - asked_at > _ASKED_AGAIN:
            self._check_not_flooded(now)
            found = await self._key_of(kid)
            if found is None:
                self._unknown.append(now)
            else:
                self._keep(found, now)
        if found is None or found.kid != kid:
            raise _not_plaids()
        if found.expired_at is not None and found.expired_at <= now.timestamp():
            raise _not_plaids()
        return found

    def _keep(self, key: Jwk, now: datetime) -> None:
        while len(self._keys) >= _KEYS_MAX:
            del self._keys[next(iter(self._keys))]
        self._keys[key.kid] = key, now

    def _check_not_flooded(self, now: datetime) -> None:
        self._unknown = [asked for asked in self._unknown if now - asked < timedelta(minutes=1)]
        if len(self._unknown) >= _UNKNOWN_MAX:
            raise _not_plaids()


def _kid_of(token: str) -> str:
    """Return which key a token says that it is signed with, and that it is the one algorithm."""
    try:
        return _HEADERS.validate_python(jwt.get_unverified_header(token)).kid
    except (jwt.InvalidTokenError, ValidationError):
        raise _not_plaids() from None


def _claims_of(token: str, key: Jwk) -> _Claims:
    try:
        # The time is looked at by the caller, either way, and by its own clock.
        claims: Any = jwt.decode(
            token,
            jwt.PyJWK(asdict(key), ALGORITHM),
            algorithms=[ALGORITHM],
            options={"verify_iat": False, "verify_aud": False},
        )
        return _CLAIMS.validate_python(claims)
    except (jwt.PyJWTError, ValidationError):
        raise _not_plaids() from None


def _event(body: bytes) -> AggregatorEvent:
    try:
        told = _EVENT.validate_python(json.loads(body))
    except (ValueError, RecursionError) as error:  # ValidationError is a ValueError
        raise InvalidInput(
            "The webhook is signed, but nothing that can be read.", code="malformed_callback"
        ) from error
    kind = _KINDS.get((told.webhook_type, told.webhook_code), EventKind.OTHER)
    if (told.webhook_type, told.webhook_code) == ("ITEM", "ERROR"):
        is_login = told.error is not None and told.error.error_code == "ITEM_LOGIN_REQUIRED"
        kind = EventKind.LOGIN_REQUIRED if is_login else EventKind.OTHER
    if told.item_id is None:
        kind = EventKind.OTHER
    return AggregatorEvent(kind, told.item_id or "", f"{told.webhook_type}.{told.webhook_code}")


def _not_plaids() -> Unauthenticated:
    return Unauthenticated(
        "The webhook's signature is missing or not valid.", code="invalid_signature"
    )
