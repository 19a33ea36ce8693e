"""API keys: who calls, and what they may do. Only a digest of the secret is kept."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from perdure.api.scopes import ADMIN, Role, check_scopes, house_scopes, scopes_of_key
from perdure.core.clock import utc_now
from perdure.core.errors import InvalidInput, NotFound, Unauthenticated
from perdure.core.ids import API_KEY, new_id
from perdure.core.text import check_identifier
from perdure.operations.model import CUSTOMERS_KEY, HOUSE, Side
from perdure.storage.pool import Connection, Pool

_SECRET_PREFIX: Final = "perdure_"  # noqa: S105 - what a secret looks like, not one
_SECRET_BYTES: Final = 32
_SHOWN: Final = len(_SECRET_PREFIX) + 4
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLUMNS: Final = "id, name, prefix, scopes, role, customer_id, created_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret.

    Args:
        prefix: The first characters of the secret, by which people tell keys apart.
        scopes: What it may do, its role's scopes among them.
        role: The one it was made with: what that may do grows with the kinds that are installed.
        customer_id: The one customer it sees; None: all of them.
    """

    id: str
    name: str
    prefix: str
    scopes: frozenset[str]
    role: str | None
    customer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def actor(self) -> str:
        """How it is called in trails."""
        return f"{'key:' if self.side == Side.HOUSE else CUSTOMERS_KEY}{self.name}"

    @property
    def side(self) -> Side:
        """Whose side it acts for and looks from."""
        return Side.HOUSE if self.customer_id is None else Side.CUSTOMER

    @property
    def owner(self) -> str:
        """Whose idempotency keys it uses: they outlive the replacement of an API key."""
        return f"customer:{self.customer_id}" if self.customer_id else self.actor

    def allows(self, scope: str) -> bool:
        """Whether it may do this."""
        return scope in self.scopes or ADMIN in self.scopes

    def sees(self, customer_id: str | None) -> bool:
        """Whether it may know of what is this customer's; None: the house's own."""
        return self.customer_id is None or self.customer_id == customer_id


async def create_key(
    connection: Connection | Pool,
    name: str,
    scopes: Iterable[str],
    customer_id: str | None = None,
    *,
    role: Role | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key and return it with its secret, which cannot be had again.

    Args:
        customer_id: The one customer it sees; None: all of them.

    Raises:
        InvalidInput: `invalid_name`, `unknown_scope`, `missing_field`; `house_scope`: a customer
            may not do that; `invalid_input`: the customer's id is none.
    """
    granted = check_scopes(scopes, role)
    if customer_id is not None:
        customer_id = _check_customer(customer_id, sorted(scopes_of_key(granted, role)))
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a name for a key; use 1 to 64 letters, digits, dots, hyphens or"
            " underscores.",
            code="invalid_name",
            param="name",
        )
    secret = _SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    row = await connection.fetchrow(
        "INSERT INTO api_keys"
        " (id, name, prefix, secret_sha256, scopes, customer_id, expires_at, role)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_COLUMNS}",
        new_id(API_KEY),
        name,
        secret[:_SHOWN],
        digest_of(secret),
        granted,
        customer_id,
        expires_at,
        role,
    )
    assert row is not None
    return _api_key(row), secret


async def list_keys(connection: Connection | Pool) -> list[ApiKey]:
    """Return every key, also those that expired or were revoked, newest first."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM api_keys ORDER BY id DESC")
    return [_api_key(row) for row in rows]


async def revoke_key(connection: Connection | Pool, key_id: str) -> ApiKey:
    """Have a key work no more, from its next request on; revoking it again changes nothing.

    Raises:
        NotFound: `api_key_not_found`.
    """
    row = await connection.fetchrow(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())"
        f" WHERE id = $1 RETURNING {_COLUMNS}",
        key_id,
    )
    if row is None:
        raise NotFound(f"There is no API key {key_id}.", code="api_key_not_found", param="id")
    return _api_key(row)


async def find_key(connection: Connection | Pool, secret: str) -> ApiKey:
    """Return the key that has this secret.

    Raises:
        Unauthenticated: `invalid_api_key`, `revoked_api_key`, `expired_api_key`.
    """
    return _usable(
        await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM api_keys WHERE secret_sha256 = $1", digest_of(secret)
        )
    )


async def key_of_session(connection: Connection | Pool, token: str) -> ApiKey:
    """Return the key with which somebody signed in to the console.

    Raises:
        Unauthenticated: `session_over`, or the key is not to be used any more.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_keys WHERE id = (SELECT api_key_id FROM console_sessions"
        " WHERE token_sha256 = $1 AND expires_at > now())",
        digest_of(token),
    )
    if row is None:
        raise Unauthenticated("Your session is over; sign in again.", code="session_over")
    return _usable(row)


def _usable(row: asyncpg.Record | None) -> ApiKey:
    if row is None:
        raise Unauthenticated(
            "This API key is not known; see that it is whole.", code="invalid_api_key"
        )
    key = _api_key(row)
    if key.revoked_at is not None:
        raise Unauthenticated(f"The API key {key.prefix}… is revoked.", code="revoked_api_key")
    if key.expires_at is not None and key.expires_at <= utc_now():
        raise Unauthenticated(f"The API key {key.prefix}… has expired.", code="expired_api_key")
    return key


def digest_of(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _check_customer(customer_id: str, granted: list[str]) -> str:
    customer_id = check_identifier("customer", customer_id)
    if customer_id == HOUSE:
        raise InvalidInput(
            f"{HOUSE!r} stands for the house itself; a key without a customer is the house's.",
            param="customer",
        )
    if of_the_house := house_scopes(granted):
        raise InvalidInput(
            f"{', '.join(of_the_house)}: no customer may do that; make a key without a"
            " customer for it.",
            code="house_scope",
            param="scopes",
        )
    return customer_id


def _api_key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(**dict(row) | {"scopes": scopes_of_key(row["scopes"], row["role"])})
