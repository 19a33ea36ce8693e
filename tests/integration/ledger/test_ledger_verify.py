"""Each check of `ledger.verify` finds what it is there for, and the tables guard themselves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.ledger.verify import INVARIANTS, violations
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True)
class Books:
    """A few entries, in a transaction that is rolled back."""

    session: Connection
    bank: str
    wallet: str
    deposit: str
    open_hold: str
    settled_hold: str
    settlement: str


def new_transfer(debit: str, credit: str, amount_minor: int) -> NewTransfer:
    return NewTransfer(
        id=new_id(TRANSFER),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_minor=amount_minor,
        currency="USD",
        code="payment",
    )


@pytest.fixture
async def books(pool: Pool) -> AsyncIterator[Books]:
    ledger = PostgresLedger()
    bank = NewAccount(
        id=new_id(ACCOUNT),
        name="Bank",
        kind=AccountKind.ASSET,
        currency="USD",
        may_go_negative=True,
    )
    wallet = NewAccount(
        id=new_id(ACCOUNT), name="Wallet", kind=AccountKind.LIABILITY, currency="USD"
    )
    deposit = new_transfer(bank.id, wallet.id, 100)
    open_hold = new_transfer(wallet.id, bank.id, 10)
    settled_hold = new_transfer(wallet.id, bank.id, 20)
    settlement = new_id(TRANSFER)
    async with pool.acquire() as session:
        transaction = session.transaction()
        await transaction.start()
        await ledger.open_account(session, bank)
        await ledger.open_account(session, wallet)
        await ledger.post(session, deposit)
        await ledger.hold(session, open_hold)
        await ledger.hold(session, settled_hold)
        await ledger.post_hold(session, settled_hold.id, settlement, 15)
        yield Books(
            session,
            bank.id,
            wallet.id,
            deposit.id,
            open_hold.id,
            settled_hold.id,
            settlement,
        )
        await transaction.rollback()


async def test_sound_books_have_no_violations(books: Books) -> None:
    assert await violations(books.session) == []


SECOND_SETTLEMENT = """
INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor, currency, kind,
    code, pending_id)
SELECT '{new}', debit_account_id, credit_account_id, amount_minor, currency, kind, code, pending_id
FROM ledger_transfers WHERE id = '{settlement}'
"""

CORRUPTIONS = [
    (
        "debits_equal_credits",
        "USD",
        (
            "UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 1"
            " WHERE account_id = '{wallet}'"
        ),
    ),
    (
        "balances_equal_transfers",
        "{wallet}",
        (
            "UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 1,"
            " debits_posted_minor = debits_posted_minor + 1 WHERE account_id = '{wallet}'"
        ),
    ),
    (
        "balances_equal_transfers",
        "{wallet}",
        "UPDATE ledger_transfers SET amount_minor = 99 WHERE id = '{deposit}'",
    ),
    (
        "floors_kept",
        "{wallet}",
        "UPDATE ledger_balances SET debits_posted_minor = 91 WHERE account_id = '{wallet}'",
    ),
    ("holds_settled_once", "{settled_hold}", SECOND_SETTLEMENT),
    (
        "holds_settled_once",
        "{settled_hold}",
        "UPDATE ledger_transfers SET amount_minor = 21 WHERE id = '{settlement}'",
    ),
    (
        "holds_settled_once",
        "{deposit}",
        "UPDATE ledger_transfers SET pending_id = '{deposit}' WHERE id = '{settlement}'",
    ),
    (
        "open_holds_are_unsettled",
        "{open_hold}",
        "DELETE FROM ledger_open_holds WHERE transfer_id = '{open_hold}'",
    ),
    (
        "open_holds_are_unsettled",
        "{settled_hold}",
        "INSERT INTO ledger_open_holds VALUES ('{settled_hold}', 0, 0)",
    ),
    (
        "pending_equals_open_holds",
        "{wallet}",
        "UPDATE ledger_balances SET debits_pending_minor = 9 WHERE account_id = '{wallet}'",
    ),
    (
        "pending_equals_open_holds",
        "{bank}",
        (
            "UPDATE ledger_open_holds SET credit_shard = (credit_shard + 1) % 16"
            " WHERE transfer_id = '{open_hold}'"
        ),
    ),
    (
        "transfers_match_accounts",
        "{deposit}",
        "UPDATE ledger_transfers SET currency = 'EUR' WHERE id = '{deposit}'",
    ),
    (
        "transfers_match_accounts",
        "{deposit}",
        "UPDATE ledger_transfers SET debit_account_id = 'acc_none' WHERE id = '{deposit}'",
    ),
    (
        "balance_rows_complete",
        "{wallet}",
        "UPDATE ledger_balances SET status = 'frozen' WHERE account_id = '{wallet}'",
    ),
    (
        "balance_rows_complete",
        "{bank}",
        "DELETE FROM ledger_balances WHERE account_id = '{bank}' AND shard = 3",
    ),
]


@pytest.mark.parametrize(("name", "subject", "corruption"), CORRUPTIONS)
async def test_a_corruption_is_found(
    books: Books, name: str, subject: str, corruption: str
) -> None:
    ids = {
        "bank": books.bank,
        "wallet": books.wallet,
        "deposit": books.deposit,
        "open_hold": books.open_hold,
        "settled_hold": books.settled_hold,
        "settlement": books.settlement,
        "new": new_id(TRANSFER),
    }
    await books.session.execute("ALTER TABLE ledger_transfers DISABLE TRIGGER USER")
    await books.session.execute("DROP INDEX ledger_transfers_pending")
    await books.session.execute(corruption.format(**ids))
    found = [each for each in await violations(books.session) if each.name == name]
    assert [each for each in found if subject.format(**ids) in each.subject_ids]
    assert all(each.detail for each in found)


def test_every_invariant_has_a_corruption_that_breaks_it() -> None:
    assert {name for name, _, _ in CORRUPTIONS} == INVARIANTS.keys()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_transfers SET amount_minor = 1 WHERE id = $1",
        "DELETE FROM ledger_transfers WHERE id = $1",
        "UPDATE ledger_accounts SET currency = 'EUR' WHERE id <> $1",
        "UPDATE ledger_accounts SET may_go_negative = true WHERE id <> $1",
        "DELETE FROM ledger_accounts WHERE id <> $1",
    ],
)
async def test_what_is_written_cannot_be_changed(books: Books, change: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="only added to"):
        await books.session.execute(change, books.deposit)


async def test_transfers_cannot_be_emptied(books: Books) -> None:
    with pytest.raises(asyncpg.RaiseError, match="only added to"):
        await books.session.execute("TRUNCATE ledger_transfers")


async def test_a_second_settlement_is_refused_by_the_table_itself(books: Books) -> None:
    statement = SECOND_SETTLEMENT.format(new=new_id(TRANSFER), settlement=books.settlement)
    with pytest.raises(asyncpg.UniqueViolationError):
        await books.session.execute(statement)
