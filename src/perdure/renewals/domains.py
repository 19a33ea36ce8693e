"""The domains, in PostgreSQL: when each ends, and which operation renews it now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import asyncpg

from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Domain:
    """A row of `domains`.

    Args:
        status: `active` or `expired`.
        renewing: The operation that renews it now.
        renewed_by: The operation that renewed it last.
        updated_at: When what is known of it last changed; a claim is no such change.
    """

    name: str
    customer_id: str
    expires_on: date
    status: str
    renewing: str | None
    renewed_by: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewDomain:
    """A domain as its team knows it."""

    name: str
    customer_id: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal did to a domain."""

    name: str
    operation_id: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of rows that were written.

    Args:
        busy: The names that were left as they are, as they are being renewed.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    busy: Sequence[str] = ()


_COLUMNS: Final = "name, customer_id, expires_on, status, renewing, renewed_by, updated_at"


async def find(connection: Connection | Pool, name: str) -> Domain | None:
    """Return a domain; None: there is none of this name."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM domains WHERE name = $1", name)
    return _domain_of(row) if row else None


async def lock(connection: Connection, names: Collection[str]) -> dict[str, Domain]:
    """Return the domains there are of these, by name, locked until the transaction ends.

    In one order, so that two who claim the same ones never wait for each other in a circle.
    """
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM domains WHERE name = ANY($1) ORDER BY name FOR NO KEY UPDATE",
        list(names),
    )
    return {row["name"]: _domain_of(row) for row in rows}


async def claim(connection: Connection, claims: Mapping[str, str]) -> None:
    """Write which operations renew locked domains from now on.

    Args:
        claims: The operation's id, by the domain's name.
    """
    await connection.execute(
        "UPDATE domains SET renewing = claim.operation_id"
        " FROM unnest($1::text[], $2::text[]) AS claim (name, operation_id)"
        # The names once more, so that only these rows are looked at, whatever the plan.
        " WHERE domains.name = claim.name AND domains.name = ANY($1)",
        list(claims),
        list(claims.values()),
    )


async def release(connection: Connection, name: str, operation_id: str) -> None:
    """Give up an operation's claim, if it still has it."""
    await connection.execute(
        "UPDATE domains SET renewing = NULL WHERE name = $1 AND renewing = $2",
        name,
        operation_id,
    )


async def record_renewed(connection: Connection, renewed: Sequence[Renewed]) -> None:
    """Write domains' new dates, and give up the claims under which they were renewed."""
    await connection.execute(
        _RECORD,
        [one.name for one in renewed],
        [one.operation_id for one in renewed],
        [one.expires_on for one in renewed],
    )


# Locked in the order in which others claim them. A claim that is no longer the operation's stays.
_RECORD: Final = """
WITH renewed AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::date[])
    AS renewed (name, operation_id, expires_on)
), locked AS MATERIALIZED (
    SELECT name FROM domains WHERE name = ANY($1) ORDER BY name FOR NO KEY UPDATE
)
UPDATE domains SET expires_on = renewed.expires_on, status = 'active',
    renewing = nullif(renewing, operation_id), renewed_by = operation_id, updated_at = now()
FROM renewed JOIN locked USING (name)
WHERE domains.name = renewed.name AND domains.name = ANY($1)
"""


async def import_many(connection: Connection, given: Sequence[NewDomain]) -> Imported:
    """Write domains as their team knows them; what is being renewed now is left as it is.

    Args:
        given: Each name once.
    """
    names = [one.name for one in given]
    known = await lock(connection, names)
    busy = [name for name in names if name in known and known[name].renewing is not None]
    new = [one for one in given if one.name not in known]
    changed = [
        one
        for one in given
        if one.name in known
        and known[one.name].renewing is None
        and (one.customer_id, one.expires_on)
        != (known[one.name].customer_id, known[one.name].expires_on)
    ]
    written = [*new, *changed]
    await connection.execute(
        # What another import has added since the look is written by both alike.
        "INSERT INTO domains (name, customer_id, expires_on)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::date[])"
        " ON CONFLICT (name) DO UPDATE SET customer_id = excluded.customer_id,"
        " expires_on = excluded.expires_on, status = 'active', updated_at = now()"
        " WHERE domains.renewing IS NULL",
        [one.name for one in written],
        [one.customer_id for one in written],
        [one.expires_on for one in written],
    )
    unchanged = len(given) - len(written) - len(busy)
    return Imported(len(new), len(changed), unchanged, busy)


def _domain_of(row: asyncpg.Record) -> Domain:
    return Domain(**dict(row))
