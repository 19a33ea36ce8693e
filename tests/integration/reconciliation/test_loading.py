"""Files loaded: all of one or nothing, once, in order; and in parts that come together again."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from perdure.core.errors import Conflict, InvalidInput, NotFound, PerdureError
from perdure.reconciliation.statements import accounts, uploads
from perdure.reconciliation.statements.accounts import StatementAccount
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.storage.pool import Pool, transaction
from tests.unit.reconciliation.files import BAI2, CAMT, CSV, MT940

from .runs import load_text

COLUMNS = CsvColumns(
    booked_on="Buchung",
    amount="Betrag",
    balance="Saldo",
    delimiter=";",
    decimal=",",
    date_format="%d.%m.%Y",
    skip_lines=1,
)
IBAN = "DE89370400440532013000"
SOURCES = {
    IBAN: ("EUR", None),
    "37040044/0532013000": ("EUR", None),
    "9876543": ("USD", None),
    "savings": ("EUR", COLUMNS),
}


@pytest.fixture
async def known(books: Pool) -> AsyncIterator[Pool]:
    await books.execute(
        "INSERT INTO ledger_accounts (id, name, kind, currency, may_go_negative, shards) SELECT"
        " 'acc_' || currency || number, 'bank', 'asset', currency, true, 1"
        " FROM unnest($1::text[]) WITH ORDINALITY AS given (currency, number)",
        [currency for currency, _ in SOURCES.values()],
    )
    async with transaction(books) as connection:
        for number, (source, (currency, columns)) in enumerate(SOURCES.items(), 1):
            await accounts.put(
                connection,
                StatementAccount(
                    source=source,
                    account_id=f"acc_{currency}{number}",
                    currency=currency,
                    since=date(2026, 11, 1),
                    columns=columns,
                ),
                actor="tests",
            )
    yield books
    await books.execute("TRUNCATE statements, statement_lines, statement_accounts")
    await books.execute("SET session_replication_role = replica")
    await books.execute("DELETE FROM ledger_accounts")
    await books.execute("RESET session_replication_role")


async def loaded(pool: Pool) -> list[tuple[str, int, int]]:
    rows = await pool.fetch(
        "SELECT source, lines, (SELECT count(*) FROM statement_lines l WHERE l.statement_id = s.id)"
        " AS kept FROM statements s ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def refused(
    pool: Pool, text: str, kind: type[PerdureError], *, allow_gap: bool = False
) -> PerdureError:
    before = await loaded(pool), await pool.fetchval("SELECT count(*) FROM statement_lines")
    with pytest.raises(kind) as told:
        await load_text(pool, text, allow_gap=allow_gap)
    assert (await loaded(pool), await pool.fetchval("SELECT count(*) FROM statement_lines")) == (
        before
    )
    return told.value


def following(text: str, number: int, opening: str, closing: str) -> str:
    """Return the camt.053 of another day."""
    return (
        text.replace("<Id>ST-14<", f"<Id>ST-{number}<")
        .replace("<ElctrncSeqNb>14<", f"<ElctrncSeqNb>{number}<")
        .replace(">500.00<", f">{opening}<")
        .replace(">440.5<", f">{closing}<")
    )


async def test_files_of_all_formats_are_loaded_whole_and_once(known: Pool) -> None:
    for text in (CAMT, MT940, BAI2):
        await load_text(known, text)
    await load_text(known, CSV, source="savings")
    assert await loaded(known) == [(source, 2, 2) for source in SOURCES]
    for text in (CAMT, MT940, BAI2):
        assert (await refused(known, text, Conflict)).code == "statement_loaded"
    # The same statement in a file that is another one by a blank.
    found = await refused(known, CAMT + " ", Conflict, allow_gap=True)
    assert (found.code, "ST-14" in found.message) == ("statement_loaded", True)


async def test_nothing_is_kept_of_a_file_that_is_wrong_in_its_second_statement(
    known: Pool,
) -> None:
    wrong = MT940 + MT940.replace("STARTUMSE", "SECOND").replace("00014", "00015")
    assert (await refused(known, wrong, Conflict)).code == "statement_gap"
    two = CAMT.replace("</Stmt>", "</Stmt>" + CAMT[CAMT.index("<Stmt>") : CAMT.index("</Stmt>")])
    two = two.replace("</BkToCstmrStmt>", "</Stmt></BkToCstmrStmt>")
    assert (await refused(known, two.replace("440.5<", "9<"), InvalidInput)).code == "statement_sum"
    other = CAMT.replace(IBAN, "GB33BUKB20201555555555")
    assert (await refused(known, other, NotFound)).code == "statement_account_not_found"
    dollars = CAMT.replace("EUR", "USD")
    assert (await refused(known, dollars, InvalidInput)).code == "currency_mismatch"


async def test_a_gap_to_the_last_statement_is_told(known: Pool) -> None:
    await load_text(known, CAMT)
    gap = await refused(known, following(CAMT, 16, "440.50", "381.00"), Conflict)
    assert "its number is 16, and the last one's 14" in gap.message
    gap = await refused(known, following(CAMT, 15, "441.50", "382.00"), Conflict)
    assert "it begins with 44150 minor units, and the last one ended with 44050" in gap.message
    await load_text(known, following(CAMT, 15, "440.50", "381.00"))
    far = following(CAMT, 18, "159.50", "100.00")
    assert (await refused(known, far, Conflict)).code == "statement_gap"
    await load_text(known, far, allow_gap=True)
    assert [lines for _, lines, _ in await loaded(known)] == [2, 2, 2]


async def test_an_upload_in_parts_is_one_file_and_a_missing_part_is_told(known: Pool) -> None:
    content = CAMT.encode()
    upload_id = await uploads.put(known, None, 1, content[:500])
    await uploads.put(known, upload_id, 3, content[900:])
    async with transaction(known) as connection:
        with pytest.raises(NotFound, match="part 2 of it is missing"):
            async with uploads.opened(connection, upload_id):
                pass
    await uploads.put(known, upload_id, 2, content[500:900])
    await uploads.put(known, upload_id, 2, content[500:900])
    with pytest.raises(Conflict, match="says something else"):
        await uploads.put(known, upload_id, 2, b"other")
    async with transaction(known) as connection, uploads.opened(connection, upload_id) as file:
        assert file.read() == content
