"""A customer who is erased is named by no bank's line about what was done for them."""

from perdure.capability.words import Words
from perdure.core.clock import utc_now
from perdure.core.ids import TRANSFER, new_id
from perdure.operations import store
from perdure.operations.model import NewOperation
from perdure.reconciliation.traces import ReconciliationTraces
from perdure.storage.pool import Connection, Pool, transaction

SAID = "Transfer to Ada Lovelace"


async def line_of(connection: Connection, match_id: int | None) -> int:
    line_id: int = await connection.fetchval(
        "INSERT INTO statement_lines (source, account_id, line, booked_on, amount_minor, currency,"
        " refs, description, match_id, matched_by)"
        " VALUES ('bank', 'sys_bank_USD', 1, $1, -500, 'USD', '{}', $2, $3,"
        " CASE WHEN $3::bigint IS NOT NULL THEN 'reference' END) RETURNING id",
        utc_now().date(),
        SAID,
        match_id,
    )
    return line_id


async def entry_of(connection: Connection, customer_id: str) -> str:
    operation_id, entry_id = new_id("tfr"), new_id(TRANSFER)
    new = NewOperation(operation_id, "transfer", customer_id, {"request": {}})
    await store.accept(connection, new, actor="tests")
    await connection.execute(
        "INSERT INTO ledger_transfers (id, kind, debit_account_id, credit_account_id, amount_minor,"
        " currency, code, operation_id) VALUES ($1, 'posted', $2, 'sys_bank_USD', 500, 'USD',"
        " 'transfer', $3)",
        entry_id,
        f"acc_{customer_id}",
        operation_id,
    )
    return entry_id


async def test_lines_that_were_matched_and_those_of_breaks_name_nobody_any_more(
    books: Pool,
) -> None:
    words = Words(["Ada Lovelace"])
    async with transaction(books) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        hers, his = [await entry_of(connection, one) for one in ("cus_ada", "cus_bob")]
        lines = {}
        for number, (whose, entry) in enumerate((("hers", hers), ("his", his)), start=900_001):
            lines[f"{whose} matched"] = await line_of(connection, number)
            await connection.execute(
                "INSERT INTO reconciled_entries (transfer_id, source, match_id, matched_by,"
                " matched_on) VALUES ($1, 'bank', $2, 'reference', current_date)",
                entry,
                number,
            )
            lines[f"{whose} broken"] = await line_of(connection, None)
            await connection.execute(
                "INSERT INTO reconciliation_breaks (id, source, account_id, break_class,"
                " amount_minor, currency, line_ids, transfer_ids, proposals, told, found_on,"
                " found_by, seen_on, seen_by) VALUES ($1, 'bank', 'sys_bank_USD', 'amount', 1,"
                " 'USD', $2, $3, '[]', '', current_date, 'rec', current_date, 'rec')",
                new_id("brk"),
                [lines[f"{whose} broken"]],
                [entry],
            )
        await ReconciliationTraces().erase(connection, "cus_ada", words)
        rows = await connection.fetch("SELECT id, description FROM statement_lines")
    said = {row["id"]: row["description"] for row in rows}
    assert {name: said[line_id] for name, line_id in lines.items()} == {
        "hers matched": "Transfer to [erased]",
        "hers broken": "Transfer to [erased]",
        "his matched": SAID,
        "his broken": SAID,
    }
