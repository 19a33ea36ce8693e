"""What bank syncs keep of a customer: items, accounts, and what was paid to whom."""

from perdure.capability.traces import Traces
from perdure.capability.words import ERASED, Words
from perdure.storage.pool import Connection


class BankTraces(Traces):
    """As `Traces` has it."""

    async def left_open(self, connection: Connection, customer_id: str) -> list[str]:
        """Return the ids of items that are to be unlinked first, here and at the aggregator."""
        rows = await connection.fetch(
            "SELECT id FROM bank_items WHERE customer_id = $1"
            " AND status NOT IN ('gone', 'unlinked')",
            customer_id,
        )
        return [row["id"] for row in rows]

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:  # noqa: ARG002
        """Empty items, accounts and transactions; amounts, dates and entries stay."""
        await connection.execute(
            "UPDATE bank_items SET institution = NULL, access_token = NULL WHERE customer_id = $1",
            customer_id,
        )
        await connection.execute(
            "UPDATE bank_accounts SET name = $2, mask = NULL WHERE item_id IN"
            " (SELECT id FROM bank_items WHERE customer_id = $1)",
            customer_id,
            ERASED,
        )
        await connection.execute(
            "UPDATE bank_transactions SET name = $2, merchant = NULL, merchant_key = NULL,"
            " category_primary = NULL, category_detailed = NULL, category_confidence = NULL,"
            " flags = '[]' WHERE item_id IN (SELECT id FROM bank_items WHERE customer_id = $1)",
            customer_id,
            ERASED,
        )
