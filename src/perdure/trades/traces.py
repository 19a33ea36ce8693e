"""What trades and orders keep of a customer: its side of each trade, and whom orders told."""

from collections.abc import Sequence

import asyncpg

from perdure.capability.traces import Shared, Traces
from perdure.capability.words import Words
from perdure.core.personal import names_in
from perdure.notifications.contracts import Party
from perdure.storage.pool import Connection


class TradeTraces(Traces):
    """As `Traces` has it."""

    async def left_open(self, connection: Connection, customer_id: str) -> list[str]:
        """Return the ids of trades and orders that have not ended."""
        found = [row["id"] for row in await _trades(connection, customer_id) if not row["ended"]]
        orders = await connection.fetch(
            "SELECT id FROM orders WHERE customer_id = $1"
            " AND status NOT IN ('filled', 'cancelled', 'rejected')",
            customer_id,
        )
        return found + [row["id"] for row in orders]

    async def shared(self, connection: Connection, customer_id: str) -> Sequence[Shared]:
        """Return the trades in which the customer bought, or sold."""
        return [
            Shared(row["id"], (row["side"],), (row["side"],))
            for row in await _trades(connection, customer_id)
        ]

    async def names(self, connection: Connection, customer_id: str) -> set[str]:
        """Return whom the customer's orders told."""
        rows = await connection.fetch(
            "SELECT contact FROM orders WHERE customer_id = $1", customer_id
        )
        return {name for row in rows for name in names_in(Party, row["contact"])}

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:
        """Empty the customer's orders, and what was asked of them."""
        rows = await connection.fetch(
            "SELECT id, reference FROM orders WHERE customer_id = $1", customer_id
        )
        named = [row for row in rows if words.without(row["reference"]) != row["reference"]]
        for row in named:
            await connection.execute(
                "UPDATE orders SET reference = $2 WHERE id = $1",
                row["id"],
                f"{words.without(row['reference'])} {row['id']}",
            )
        # Who asked for it is known by a digest, of what is no longer there.
        await connection.execute(
            "UPDATE orders SET contact = '{}', fingerprint = NULL WHERE customer_id = $1",
            customer_id,
        )
        requests = await connection.fetch(
            "SELECT id, reason FROM order_requests WHERE order_id = ANY($1) AND reason IS NOT NULL",
            [row["id"] for row in rows],
        )
        for row in requests:
            await connection.execute(
                "UPDATE order_requests SET reason = $2 WHERE id = $1",
                row["id"],
                words.without(row["reason"]),
            )


async def _trades(connection: Connection, customer_id: str) -> list[asyncpg.Record]:
    return await connection.fetch(
        "SELECT id, 'buyer' AS side, finished_at IS NOT NULL AS ended FROM operations"
        " WHERE kind = 'trade' AND (input #>> '{request,buyer_customer_id}') = $1"
        " UNION ALL"
        " SELECT id, 'seller', finished_at IS NOT NULL FROM operations"
        " WHERE kind = 'trade' AND (input #>> '{request,seller_customer_id}') = $1",
        customer_id,
    )
