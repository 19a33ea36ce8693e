"""The transactions of bank items, in PostgreSQL: as their banks told of them last."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import asyncpg
from pydantic_core import to_json

from perdure.bank_sync.changes import Known, Told, mirror_id
from perdure.storage.pool import Connection, Pool

_AT_ONCE: Final = 2_000
"""How many rows a statement writes."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A row of `bank_transactions`, as people are shown it.

    Args:
        amount_minor: A positive one leaves the account.
        flags: Why it stands out.
        entry_id: Its entry in the ledger; None: it is not booked yet, or of nothing.
    """

    id: str
    item_id: str
    account_id: str
    amount_minor: int
    currency: str
    booked_on: date
    authorized_on: date | None
    name: str
    merchant: str | None
    method: str | None
    channel: str | None
    pending: bool
    pending_id: str | None
    category_primary: str | None
    category_detailed: str | None
    category_confidence: str | None
    flags: list[dict[str, Any]]
    entry_id: str | None
    sync_id: str
    updated_at: datetime


_COLUMNS: Final = (
    "id, item_id, account_id, amount_minor, currency, booked_on, authorized_on, name, merchant,"
    " method, channel, pending, pending_id, category_primary, category_detailed,"
    " category_confidence, flags, entry_id, sync_id, updated_at"
)


async def known(connection: Connection, item_id: str, ids: Collection[str] | None) -> list[Known]:
    """Return what decides over entries, of these transactions of a locked item; None: of all."""
    if ids is None:
        rows = await connection.fetch(
            "SELECT id, account_id, amount_minor, currency, entry_id FROM bank_transactions"
            " WHERE item_id = $1",
            item_id,
        )
    else:
        rows = await connection.fetch(
            "SELECT id, account_id, amount_minor, currency, entry_id FROM bank_transactions"
            " WHERE item_id = $1 AND id = ANY($2)",
            item_id,
            list(ids),
        )
    return [Known(**dict(row)) for row in rows]


async def remove(connection: Connection, item_id: str, ids: Sequence[str]) -> None:
    """Delete transactions of a locked item that are no more."""
    await connection.execute(
        "DELETE FROM bank_transactions WHERE item_id = $1 AND id = ANY($2)", item_id, ids
    )


async def write(
    connection: Connection,
    told: Sequence[Told],
    *,
    item_id: str,
    customer_id: str,
    operation_id: str,
) -> None:
    """Write transactions of a locked item, as they are from now on."""
    for first in range(0, len(told), _AT_ONCE):
        rows = [_row(one, item_id) for one in told[first : first + _AT_ONCE]]
        await connection.execute(
            _WRITE, item_id, customer_id, operation_id, *map(list, zip(*rows, strict=True))
        )


def _row(told: Told, item_id: str) -> tuple[Any, ...]:
    found = told.transaction
    return (
        found.id,
        found.account_id,
        found.amount_minor,
        found.currency,
        found.on,
        found.authorized_on,
        found.at,
        found.name,
        told.merchant.get("name"),
        told.merchant.get("key"),
        told.merchant.get("method"),
        found.channel,
        found.pending,
        found.pending_id,
        told.category.get("primary"),
        told.category.get("detailed"),
        told.category.get("confidence"),
        # As text: a list within a list would be an array's second dimension.
        to_json(list(told.flags)).decode(),
        mirror_id(item_id, found.account_id, found.currency),
        told.entry_id,
    )


_WRITTEN: Final = (
    "id, account_id, amount_minor, currency, booked_on, authorized_on, at, name, merchant,"
    " merchant_key, method, channel, pending, pending_id, category_primary, category_detailed,"
    " category_confidence, flags, mirror_account_id, entry_id"
)
_CASTS: Final = {"flags": "flags::jsonb"}
_WRITE: Final = f"""
INSERT INTO bank_transactions (item_id, customer_id, sync_id, {_WRITTEN})
SELECT $1, $2, $3, {", ".join(_CASTS.get(name, name) for name in _WRITTEN.split(", "))}
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[],
    $8::date[], $9::date[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
    $14::text[], $15::text[], $16::boolean[], $17::text[], $18::text[], $19::text[], $20::text[],
    $21::text[], $22::text[], $23::text[]) AS told ({_WRITTEN})
ON CONFLICT (item_id, id) DO UPDATE SET sync_id = excluded.sync_id, updated_at = now(),
    {", ".join(f"{name} = excluded.{name}" for name in _WRITTEN.split(", ")[1:])}
"""


async def listed(
    connection: Connection | Pool,
    item_id: str,
    *,
    after: str | None,
    limit: int,
) -> list[Transaction]:
    """Return an item's transactions, the latest first, at most `limit` of them beyond one."""
    if after is None:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM bank_transactions WHERE item_id = $1"
            " ORDER BY booked_on DESC, id DESC LIMIT $2",
            item_id,
            limit,
        )
    else:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM bank_transactions WHERE item_id = $1 AND (booked_on, id) <"
            " (SELECT booked_on, id FROM bank_transactions WHERE item_id = $1 AND id = $3)"
            " ORDER BY booked_on DESC, id DESC LIMIT $2",
            item_id,
            limit,
            after,
        )
    return [Transaction(**dict(row)) for row in rows]


async def spent(
    pool: Pool, item_id: str, *, accounts: Collection[str], since: date
) -> list[asyncpg.Record]:
    """Return what left some of an item's accounts since a day."""
    return await pool.fetch(
        "SELECT id, account_id, amount_minor, currency, merchant_key, merchant, at, booked_on,"
        " pending FROM bank_transactions WHERE item_id = $1 AND booked_on >= $3"
        " AND account_id = ANY($2) AND amount_minor > 0",
        item_id,
        list(accounts),
        since,
    )
