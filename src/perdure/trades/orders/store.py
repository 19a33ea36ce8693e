"""The rows of a book, as its writer reads and writes them; each batch in one commit.

An asset's row says who writes: another takes over from a writer that says nothing, and from then on
the first can commit nothing, as each commit begins with that row (docs/adr/0038-orders.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from perdure.core.errors import Conflict
from perdure.storage.pool import Connection, Pool
from perdure.trades.book.book import Book
from perdure.trades.book.commands import Command, Instrument
from perdure.trades.book.journal import JournalEntry, decode_command
from perdure.trades.book.snapshot import OpenOrder, Snapshot
from perdure.trades.orders.model import COLUMNS, Order

SILENT_MAX: Final = timedelta(seconds=3)
"""A writer that says nothing for so long is taken for dead."""
BATCH_MAX: Final = 250


class LostBook(Conflict):
    """Another writes by now; nothing was committed."""

    code = "book_lost"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a book beside a new order."""

    id: str
    intake: int
    order_id: str | None
    command: Command


async def assets_to_write(pool: Pool, writer: str) -> list[str]:
    """Return the assets that this writer has, and those that nobody has."""
    rows = await pool.fetch(
        "SELECT asset FROM instruments WHERE writer = $1 OR writer IS NULL OR seen_at"
        " < now() - $2::interval",
        writer,
        SILENT_MAX,
    )
    return [row["asset"] for row in rows]


async def take(pool: Pool, asset: str, writer: str) -> bool:
    """Have a writer write an asset's book from here on, unless another lives."""
    return bool(
        await pool.fetchval(
            "UPDATE instruments SET writer = $2, seen_at = now() WHERE asset = $1"
            " AND (writer = $2 OR writer IS NULL OR seen_at < now() - $3::interval) RETURNING true",
            asset,
            writer,
            SILENT_MAX,
        )
    )


async def leave(pool: Pool, assets: Collection[str], writer: str) -> None:
    """Have others write these books: the process is about to stop."""
    await pool.execute(
        "UPDATE instruments SET writer = NULL WHERE asset = ANY($1) AND writer = $2",
        list(assets),
        writer,
    )


async def read_book(pool: Pool, asset: str) -> tuple[Book, dict[str, Order]]:
    """Return the book as it is stored, and its open orders by id."""
    async with (
        pool.acquire() as connection,
        # Both as of one moment: another may be writing still.
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await connection.fetchrow(
            "SELECT sequence, trade_number, is_halted, tick_minor, price_low_minor,"
            " price_high_minor, quantity_max_lots FROM instruments WHERE asset = $1",
            asset,
        )
        assert row is not None, f"{asset} is traded no more"
        rows = await connection.fetch(
            f"SELECT {COLUMNS} FROM orders WHERE asset = $1"
            " AND status IN ('open', 'partly_filled')",
            asset,
        )
    orders = {found["id"]: Order(*found.values()) for found in rows}
    sequence, trade_number, is_halted, *fields = row.values()
    snapshot = Snapshot(
        sequence,
        trade_number,
        is_halted,
        Instrument(*fields),
        tuple(_open_order(order) for order in orders.values()),
    )
    return Book.restore(snapshot), orders


def _open_order(order: Order) -> OpenOrder:
    assert order.priority is not None, f"{order.id} is in no book"
    return OpenOrder(
        order.id,
        order.account_id,
        order.side,
        order.price_minor,
        order.quantity_lots,
        order.remaining_lots,
        order.priority,
        order.post_only,
        order.self_trade,
        order.expires_at_ms,
    )


async def read_waiting(pool: Pool, asset: str) -> list[Order | Request]:
    """Return what waits to be applied, in the order it came in; what waits for a sell waits."""
    entering = await pool.fetch(
        f"SELECT {COLUMNS} FROM orders WHERE asset = $1 AND status = 'entering'"
        " ORDER BY intake LIMIT $2",
        asset,
        BATCH_MAX,
    )
    asked = await pool.fetch(
        "SELECT id, intake, order_id, command FROM order_requests AS request"
        " WHERE asset = $1 AND NOT is_answered AND NOT EXISTS (SELECT FROM orders"
        " WHERE orders.id = request.order_id AND orders.status = 'reserving')"
        " ORDER BY intake LIMIT $2",
        asset,
        BATCH_MAX,
    )
    found: list[Order | Request] = [Order(*row.values()) for row in entering]
    found += [
        Request(row["id"], row["intake"], row["order_id"], decode_command(row["command"]))
        for row in asked
    ]
    return sorted(found, key=lambda one: one.intake)[:BATCH_MAX]


async def fence(connection: Connection, asset: str, writer: str, book: Book, before: int) -> None:
    """Keep where the book stands, if this is who writes it.

    Args:
        before: The last command that is stored.

    Raises:
        LostBook: Another writes it.
    """
    instrument = book.instrument
    if not await connection.fetchval(
        "UPDATE instruments SET seen_at = now(), sequence = $4, trade_number = $5, is_halted = $6,"
        " tick_minor = $7, price_low_minor = $8, price_high_minor = $9, quantity_max_lots = $10"
        " WHERE asset = $1 AND writer = $2 AND sequence = $3 RETURNING true",
        asset,
        writer,
        before,
        book.sequence,
        book.trade_number,
        book.is_halted,
        *instrument,
    ):
        raise LostBook(f"Another process writes the book of {asset} by now.")


async def write_journal(
    connection: Connection, asset: str, entries: Sequence[JournalEntry]
) -> None:
    """Add commands, and what came of them, to the journal."""
    await connection.execute(
        "INSERT INTO order_journal (asset, sequence, command, events)"
        " SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[])",
        asset,
        [entry.sequence for entry in entries],
        [entry.command for entry in entries],
        [entry.events for entry in entries],
    )


async def write_orders(connection: Connection, orders: Collection[Order]) -> None:
    """Store orders as they are in memory; the asset service is owed what it has not confirmed."""
    rows = list(orders)
    await connection.execute(
        _WRITE_ORDERS, *([getattr(order, name) for order in rows] for name in _WRITTEN)
    )


_WRITTEN: Final = {
    "id": "text",
    "status": "text",
    "reason": "text",
    "price_minor": "bigint",
    "quantity_lots": "integer",
    "remaining_lots": "integer",
    "filled_lots": "integer",
    "filled_minor": "bigint",
    "priority": "bigint",
    "hold_id": "text",
    "hold_minor": "bigint",
    "reserved_lots": "integer",
    "reserved_version": "integer",
    "version": "integer",
}
_WRITE_ORDERS: Final = f"""
UPDATE orders SET {", ".join(f"{name} = given.{name}" for name in _WRITTEN if name != "id")},
    updated_at = now(),
    look_at = CASE WHEN given.reserved_version + orders.returned_lots > orders.reduced_version
        THEN now() END
FROM unnest({", ".join(f"${at}::{kind}[]" for at, kind in enumerate(_WRITTEN.values(), start=1))})
    AS given ({", ".join(_WRITTEN)})
WHERE orders.id = given.id
"""


async def answer_requests(
    connection: Connection, answers: Sequence[tuple[str, int | None, str | None]]
) -> None:
    """Keep what became of requests: each one's id, its number in the journal, why not."""
    ids, sequences, refusals = zip(*answers, strict=True)
    await connection.execute(
        "UPDATE order_requests SET is_answered = true, sequence = given.sequence,"
        " refusal = given.refusal"
        " FROM unnest($1::text[], $2::bigint[], $3::text[]) AS given (id, sequence, refusal)"
        " WHERE order_requests.id = given.id",
        ids,
        sequences,
        refusals,
    )
