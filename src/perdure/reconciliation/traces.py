"""What reconciliations keep of a customer: what banks wrote of their operations on our accounts.

Lines about a customer's own accounts are emptied with these.
"""

from typing import Final

from perdure.capability.traces import Traces
from perdure.capability.words import Words
from perdure.storage.pool import Connection


class ReconciliationTraces(Traces):
    """As `Traces` has it."""

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:
        """Take who the customer is out of lines that their entries were matched to, or found with.

        Amounts, days and references, which say what belongs together, stay.
        """
        rows = await connection.fetch(_LINES, customer_id)
        changed = {
            row["id"]: without
            for row in rows
            if (without := words.without(row["description"])) != row["description"]
        }
        await connection.execute(
            "UPDATE statement_lines SET description = told.description"
            " FROM unnest($1::bigint[], $2::text[]) AS told (id, description)"
            " WHERE statement_lines.id = told.id",
            [*changed],
            [*changed.values()],
        )


_LINES: Final = """
WITH entry AS MATERIALIZED (
    SELECT t.id, t.debit_account_id, t.credit_account_id
    FROM operations o JOIN ledger_transfers t ON t.operation_id = o.id WHERE o.customer_id = $1
), found AS MATERIALIZED (
    -- Entry by entry: a customer has few of them.
    SELECT l.id FROM entry CROSS JOIN LATERAL (
        SELECT match_id FROM reconciled_entries WHERE transfer_id = entry.id OFFSET 0
    ) AS r CROSS JOIN LATERAL (
        SELECT id FROM statement_lines WHERE match_id = r.match_id OFFSET 0
    ) AS l
    UNION
    SELECT unnest(b.line_ids) FROM entry JOIN reconciliation_breaks b
        ON b.account_id IN (entry.debit_account_id, entry.credit_account_id)
        AND (b.ended_on IS NULL OR b.excused_until IS NOT NULL)
        AND entry.id = ANY(b.transfer_ids)
)
SELECT id, description FROM statement_lines WHERE id = ANY(ARRAY(SELECT id FROM found))
"""
