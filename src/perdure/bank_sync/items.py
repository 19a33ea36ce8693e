"""Bank items, in PostgreSQL: what a customer has linked, how far it is read, who reads it now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg

from perdure.bank_sync.contracts import ITEM_PREFIX
from perdure.core.ids import new_id
from perdure.providers.aggregator import BankAccount
from perdure.storage.pool import Connection, Pool


class ItemStatus(StrEnum):
    """Where an item stands."""

    ACTIVE = "active"
    LOGIN_REQUIRED = "login_required"
    """Its customer has to log in at the bank anew before anything more is told."""
    GONE = "gone"
    """The bank or its customer has withdrawn it."""
    UNLINKED = "unlinked"
    """It was asked for: nothing of it is read any more."""


ENDED: Final = frozenset({ItemStatus.GONE, ItemStatus.UNLINKED})


@dataclass(frozen=True, slots=True)
class Item:
    """A row of `bank_items`, without its access token.

    Args:
        provider_item_id: The aggregator's own id of it.
        cursor: Up to where it was read and applied; empty: nothing was.
        is_ready: The bank was asked for it at least once.
        syncing: The operation that reads it now.
        sync_again: It is to be read once more after that.
        synced_at: When it was read to the end last.
    """

    id: str
    customer_id: str
    provider_item_id: str
    institution: str | None
    status: ItemStatus
    cursor: str
    is_ready: bool
    syncing: str | None
    sync_again: bool
    created_at: datetime
    updated_at: datetime
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account of an item, as its bank tells of it."""

    id: str
    name: str
    kind: str
    subtype: str | None
    mask: str | None
    currency: str | None


_COLUMNS: Final = (
    "id, customer_id, provider_item_id, institution, status, cursor, is_ready, syncing, sync_again,"
    " created_at, updated_at, synced_at"
)
_AFTER_EVERY_ID: Final = "~"


async def link(
    connection: Connection,
    *,
    customer_id: str,
    provider_item_id: str,
    institution: str | None,
    access_token: bytes,
) -> Item:
    """Keep an item that was just linked; returns it.

    One that is there keeps its customer; linked by that one anew, it takes the new token.
    """
    row = await connection.fetchrow(
        "INSERT INTO bank_items (id, customer_id, provider_item_id, institution, access_token)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (provider_item_id) DO UPDATE"
        " SET access_token = CASE WHEN bank_items.customer_id = $2 THEN $5"
        "   ELSE bank_items.access_token END,"
        " status = CASE WHEN bank_items.customer_id = $2 THEN 'active' ELSE bank_items.status END,"
        f" updated_at = now() RETURNING {_COLUMNS}",
        new_id(ITEM_PREFIX),
        customer_id,
        provider_item_id,
        institution,
        access_token,
    )
    assert row is not None
    return _item_of(row)


async def find(connection: Connection | Pool, item_id: str) -> Item | None:
    """Return an item; None: there is none of this id."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM bank_items WHERE id = $1", item_id)
    return _item_of(row) if row else None


async def lock(connection: Connection, item_ids: Collection[str]) -> dict[str, Item]:
    """Return the items there are of these, by id, locked until the transaction ends; in one order.

    Whoever has an operation locked too has that first.
    """
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM bank_items WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
        list(item_ids),
    )
    return {row["id"]: _item_of(row) for row in rows}


async def listed(
    connection: Connection | Pool, *, customer_id: str | None, before: str | None, limit: int
) -> list[Item]:
    """Return items, newest first, at most `limit` of them beyond the cursor."""
    cursor = before or _AFTER_EVERY_ID
    if customer_id is None:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM bank_items WHERE id < $1 ORDER BY id DESC LIMIT $2",
            cursor,
            limit,
        )
    else:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM bank_items WHERE customer_id = $3 AND id < $1"
            " ORDER BY id DESC LIMIT $2",
            cursor,
            limit,
            customer_id,
        )
    return [_item_of(row) for row in rows]


async def by_provider_id(connection: Connection | Pool, provider_item_id: str) -> Item | None:
    """Return an item by the aggregator's own id of it; None: it is not ours."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM bank_items WHERE provider_item_id = $1", provider_item_id
    )
    return _item_of(row) if row else None


async def access_token(connection: Connection | Pool, item_id: str) -> bytes | None:
    """Return an item's access token, encrypted; None: it has none any more."""
    found: bytes | None = await connection.fetchval(
        "SELECT access_token FROM bank_items WHERE id = $1", item_id
    )
    return found


async def claim(connection: Connection, item_id: str, operation_id: str) -> None:
    """Write which operation reads a locked item from now on, and what that begins with."""
    await connection.execute(
        "WITH claimed AS ("
        " UPDATE bank_items SET syncing = $2, sync_again = false WHERE id = $1"
        " RETURNING id, cursor"
        ") INSERT INTO bank_syncs (operation_id, item_id, started_from, cursor)"
        " SELECT $2, id, cursor, cursor FROM claimed",
        item_id,
        operation_id,
    )


async def ask_again(connection: Connection, item_id: str) -> None:
    """Have a locked item be read once more, after what reads it now."""
    await connection.execute("UPDATE bank_items SET sync_again = true WHERE id = $1", item_id)


async def give_up(connection: Connection, item_id: str, operation_id: str) -> None:
    """Forget what an operation has read, and give up its claim, if it still has it."""
    await connection.execute("DELETE FROM bank_syncs WHERE operation_id = $1", operation_id)
    await connection.execute(
        "UPDATE bank_items SET syncing = NULL, updated_at = now() WHERE id = $1 AND syncing = $2",
        item_id,
        operation_id,
    )


async def record_synced(
    connection: Connection, item_id: str, operation_id: str, *, cursor: str, is_ready: bool
) -> None:
    """Write up to where a locked item was read, and give up the claim of who read it."""
    await connection.execute(
        "UPDATE bank_items SET cursor = $2, is_ready = is_ready OR $3, status = 'active',"
        " synced_at = now(), updated_at = now() WHERE id = $1",
        item_id,
        cursor,
        is_ready,
    )
    await give_up(connection, item_id, operation_id)


async def set_status(connection: Connection | Pool, item_id: str, status: ItemStatus) -> None:
    """Write where an item stands; one that has ended stays so, and has no token."""
    await connection.execute(
        "UPDATE bank_items SET status = $2, updated_at = now(),"
        " access_token = CASE WHEN $3 THEN NULL ELSE access_token END"
        " WHERE id = $1 AND status NOT IN ('gone', 'unlinked')",
        item_id,
        status,
        status in ENDED,
    )


async def keep_accounts(
    connection: Connection, item_id: str, accounts: Mapping[str, BankAccount]
) -> None:
    """Write what the bank tells of an item's accounts."""
    found = list(accounts.values())
    await connection.execute(
        "INSERT INTO bank_accounts (item_id, id, name, kind, subtype, mask, currency)"
        " SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
        " $7::text[]) ON CONFLICT (item_id, id) DO UPDATE SET name = excluded.name,"
        " kind = excluded.kind, subtype = excluded.subtype, mask = excluded.mask,"
        " currency = excluded.currency",
        item_id,
        [one.id for one in found],
        [one.name for one in found],
        [one.kind for one in found],
        [one.subtype for one in found],
        [one.mask for one in found],
        [one.currency for one in found],
    )


async def accounts_of(connection: Connection | Pool, item_id: str) -> list[Account]:
    """Return an item's accounts."""
    rows = await connection.fetch(
        "SELECT id, name, kind, subtype, mask, currency FROM bank_accounts WHERE item_id = $1"
        " ORDER BY id",
        item_id,
    )
    return [Account(**dict(row)) for row in rows]


def _item_of(row: asyncpg.Record) -> Item:
    return Item(**{**dict(row), "status": ItemStatus(row["status"])})
