"""Breaks from day to day: the same while they last, gone by themselves, or as a person says."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from perdure.capability.contracts import End
from perdure.core.clock import utc_now
from perdure.core.errors import Conflict, InvalidInput, LimitExceeded
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.core.money import AmountLimit
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.steps import TransactionalSteps
from perdure.operations.verify import check
from perdure.reconciliation.breaks import store
from perdure.reconciliation.breaks.resolving import BreakResolver
from perdure.reconciliation.contracts import BreakInput, BreakRequest
from perdure.reconciliation.statements import accounts
from perdure.reconciliation.statements.accounts import StatementAccount
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.reconciliation.verify import INVARIANTS
from perdure.storage.pool import Pool, transaction

from .runs import load_text, reconcile

TODAY = utc_now().date()
LEDGER = PostgresLedger()
BANK = system_account_id(SystemAccount.BANK, "EUR")


class Account:
    """A customer's account, and what its bank says of it."""

    def __init__(self, pool: Pool, account_id: str) -> None:
        self.pool, self.id = pool, account_id
        self._files = 0

    async def pay(self, amount_minor: int) -> str:
        """Book money that goes out; returns the transfer."""
        async with transaction(self.pool) as connection:
            posted = await LEDGER.post(
                connection,
                NewTransfer(
                    id=new_id(TRANSFER),
                    debit_account_id=self.id,
                    credit_account_id=BANK,
                    amount_minor=amount_minor,
                    currency="EUR",
                    code="payment",
                ),
            )
        return posted.transfer.id

    async def say(self, *lines: tuple[int, str], on: date = TODAY) -> None:
        """Load a statement with these lines: amount in cents, and reference."""
        self._files += 1
        rows = [f"{on},{minor / 100:.2f},{name},{self._files}" for minor, name in lines]
        # A statement without anything of this account says that there was nothing.
        rows = rows or [f"{on},0.00,,{self._files}"]
        await load_text(
            self.pool,
            "\n".join(["Day,Amount,Reference,File", *rows]),
            source=self.id,
            allow_gap=True,
        )

    async def breaks(self, day: date = TODAY) -> list[tuple[str, str]]:
        """Compare, and return the open breaks of the account: each one's id and class."""
        await reconcile(self.pool, day)
        rows = await self.pool.fetch(
            "SELECT id, break_class FROM reconciliation_breaks WHERE account_id = $1"
            " AND ended_on IS NULL ORDER BY id",
            self.id,
        )
        return [tuple(row) for row in rows]

    async def one(self, day: date = TODAY) -> tuple[str, str]:
        ((break_id, break_class),) = await self.breaks(day)
        return break_id, break_class

    async def balance(self) -> int:
        async with self.pool.acquire() as connection:
            return (await LEDGER.balance(connection, self.id)).posted_minor

    async def resolve(self, break_id: str, **resolution: Any) -> End:
        """Do the step that a resolution leads to."""
        resolver = BreakResolver(
            TransactionalSteps(self.pool),
            LEDGER,
            excused_days=5,
            write_off=AmountLimit(1000),
        )
        request = BreakRequest(self.id, self.id, str(TODAY), "rec", resolution=resolution)
        return await resolver.resolve(BreakInput(break_id, request))

    async def result(self, break_id: str) -> dict[str, Any]:
        found = await self.pool.fetchval("SELECT result FROM operations WHERE id = $1", break_id)
        assert isinstance(found, dict)
        return found


@pytest.fixture
async def account(books: Pool) -> AsyncIterator[Account]:
    account_id = new_id(ACCOUNT)
    async with transaction(books) as connection:
        await ensure_system_accounts(LEDGER, connection, ["EUR"])
        await LEDGER.open_account(
            connection,
            NewAccount(
                id=account_id,
                name="Wallet",
                kind=AccountKind.LIABILITY,
                currency="EUR",
                customer_id="cus_1",
                may_go_negative=True,
            ),
        )
        await accounts.put(
            connection,
            StatementAccount(
                source=account_id,
                account_id=account_id,
                currency="EUR",
                since=TODAY,
                columns=CsvColumns(booked_on="Day", amount="Amount", references=("Reference",)),
            ),
            actor="tests",
        )
    yield Account(books, account_id)
    async with books.acquire() as connection:
        assert await check(connection, INVARIANTS, limit=10) == []


async def test_a_break_is_the_same_until_it_is_seen(account: Account) -> None:
    transfer_id = await account.pay(500)
    assert await account.breaks() == [], "no statement covers it yet"
    await account.say()
    break_id, break_class = await account.one()
    assert break_class == "timing"
    # It is found again as what it has become by now: theirs has it, of another amount.
    await account.say((-400, transfer_id))
    assert await account.one() == (break_id, "amount")
    await account.say((-100, transfer_id))
    assert await account.breaks() == []
    assert (await account.result(break_id))["resolution"] == "seen"
    trail = await account.pool.fetch(
        "SELECT action, reason FROM operation_trail WHERE operation_id = $1 ORDER BY id", break_id
    )
    assert [row["action"] for row in trail] == ["found", "changed", "seen"]
    assert trail[-1]["reason"].startswith("Seen in statement tests (stm_")


async def test_what_is_missing_here_is_booked_once_and_against_a_named_account(
    account: Account,
) -> None:
    await account.say((-700, "unknown"))
    break_id, break_class = await account.one()
    assert (break_class, await account.balance()) == ("missing_here", 0)
    for _ in range(2):
        end = await account.resolve(break_id, how="book", account_id=BANK)
        assert (end.status, await account.balance()) == ("succeeded", -700)
    assert await account.breaks() == []


async def test_what_is_missing_there_is_taken_back_or_written_off_up_to_a_limit(
    account: Account,
) -> None:
    await account.pay(1001)
    await account.say()
    break_id, _ = await account.one()
    with pytest.raises(LimitExceeded, match=r"At most 10\.00 EUR is written off"):
        await account.resolve(break_id, how="write_off")
    assert await account.balance() == -1001
    await account.resolve(break_id, how="book", account_id=BANK)
    assert await account.balance() == 0
    await account.say((3, "interest"))
    break_id, _ = await account.one()
    await account.resolve(break_id, how="write_off")
    assert (await account.balance(), await account.breaks()) == (3, [])
    assert (await account.result(break_id))["account_id"] == "sys_write_offs_EUR"


async def test_a_proposal_books_nothing_and_is_matched_by_hand(account: Account) -> None:
    transfers = [await account.pay(300) for _ in range(2)]
    await account.say((-300, "bank-1"))
    assert [name for _, name in await account.breaks()] == ["timing", "timing", "missing_here"]
    async with account.pool.acquire() as connection:
        breaks = [await store.get(connection, found) for found, _ in await account.breaks()]
    line = next(one for one in breaks if one.line_ids)
    assert {one.ours for one in line.proposals} == {(transfer,) for transfer in transfers}
    with pytest.raises(InvalidInput, match="0 and -300 minor units") as refused:
        await account.resolve(line.id, how="match")
    assert refused.value.code == "sides_differ"
    await account.resolve(
        line.id, how="match", transfer_ids=[transfers[1]], line_ids=list(line.line_ids)
    )
    assert await account.balance() == -600
    (left,) = await account.breaks()
    assert left[1] == "timing"
    with pytest.raises(Conflict, match="Say how it is resolved"):
        await _unresolved(account, left[0])


async def _unresolved(account: Account, break_id: str) -> None:
    resolver = BreakResolver(
        TransactionalSteps(account.pool), LEDGER, excused_days=5, write_off=AmountLimit(1)
    )
    await resolver.resolve(
        BreakInput(break_id, BreakRequest(account.id, account.id, str(TODAY), "rec"))
    )


async def test_what_is_waited_for_is_no_break_until_its_time_is_over(account: Account) -> None:
    await account.pay(900)
    await account.say()
    break_id, _ = await account.one()
    await account.resolve(break_id, how="send_back", days=3)
    assert await account.breaks() == []
    excused = (await account.result(break_id))["excused_until"]
    assert excused == (TODAY + timedelta(days=3)).isoformat()
    await account.pool.execute(
        "UPDATE reconciliation_breaks SET excused_until = $2 WHERE id = $1",
        break_id,
        TODAY - timedelta(days=1),
    )
    follower, _ = await account.one()
    follows = await account.pool.fetchval(
        "SELECT input #>> '{request,follows}' FROM operations WHERE id = $1", follower
    )
    assert follows == break_id
