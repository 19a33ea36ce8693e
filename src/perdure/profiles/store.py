"""Customers' profiles in PostgreSQL."""

from dataclasses import replace
from typing import Final

import asyncpg

from perdure.core.erased import customer_erased
from perdure.core.errors import Conflict, NotFound
from perdure.profiles.model import Profile, ProfileStatus, check_profile
from perdure.storage.pool import Connection, Pool

_COLUMNS: Final = "customer_id, full_name, email, phone, birth_date, country, status, created_at"


async def create_profile(connection: Connection, profile: Profile) -> Profile:
    """Store a new profile; with the same values again, it is the stored one.

    Raises:
        InvalidInput: A value is none; names the field.
        Conflict: `profile_exists`: the customer has one, with other values.
        Refused: `customer_erased`.
    """
    new = check_profile(profile)
    row = await connection.fetchrow(
        "INSERT INTO profiles (customer_id, full_name, email, phone, birth_date, country)"
        " SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS"
        " (SELECT FROM erased_customers WHERE customer_id = $1)"
        f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
        new.customer_id,
        new.full_name,
        new.email,
        new.phone,
        new.birth_date,
        new.country,
    )
    if row is not None:
        return _profile_of(row)
    if await is_erased(connection, new.customer_id):
        raise customer_erased(new.customer_id)
    stored = await get_profile(connection, new.customer_id)
    if replace(stored, status=new.status, created_at=new.created_at) != new:
        raise Conflict(
            f"Customer {new.customer_id} has a profile already, with other values.",
            code="profile_exists",
            param="customer_id",
        )
    return stored


async def reopen_profile(connection: Connection, profile: Profile) -> bool:
    """Have somebody who left be a customer again, with these values; False: nobody has left.

    Raises:
        InvalidInput: A value is none; names the field.
    """
    new = check_profile(profile)
    return bool(
        await connection.fetchval(
            "UPDATE profiles SET full_name = $2, email = $3, phone = $4, birth_date = $5,"
            " country = $6, status = 'active' WHERE customer_id = $1 AND status = 'closed'"
            " AND NOT EXISTS (SELECT FROM erased_customers WHERE customer_id = $1)"
            " RETURNING true",
            new.customer_id,
            new.full_name,
            new.email,
            new.phone,
            new.birth_date,
            new.country,
        )
    )


async def get_profile(connection: Connection | Pool, customer_id: str) -> Profile:
    """Return a customer's profile.

    Raises:
        NotFound: `customer_not_found`.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM profiles WHERE customer_id = $1", customer_id
    )
    if row is None:
        raise _not_found(customer_id)
    return _profile_of(row)


async def close_profile(connection: Connection, customer_id: str) -> Profile:
    """Have a customer be one who left; who has been erased stays so.

    Raises:
        NotFound: `customer_not_found`.
    """
    row = await connection.fetchrow(
        "UPDATE profiles SET status = CASE status WHEN 'erased' THEN status ELSE 'closed' END"
        f" WHERE customer_id = $1 RETURNING {_COLUMNS}",
        customer_id,
    )
    if row is None:
        raise _not_found(customer_id)
    return _profile_of(row)


async def is_erased(connection: Connection | Pool, customer_id: str) -> bool:
    """Whether somebody has been erased, or is being."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM erased_customers WHERE customer_id = $1)", customer_id
    )
    return found


def _not_found(customer_id: str) -> NotFound:
    return NotFound(
        f"There is no customer {customer_id}.", code="customer_not_found", param="customer_id"
    )


def _profile_of(row: asyncpg.Record) -> Profile:
    return Profile(**dict(row) | {"status": ProfileStatus(row["status"])})
