"""A ledger moved from PostgreSQL to TigerBeetle."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import tigerbeetle as tb

from perdure.core.errors import ConfigurationError
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.core.ledgers import LedgerChoice
from perdure.ledger.model import AccountKind, Balance
from perdure.ledger.store_postgres import PostgresLedger
from perdure.ledger.tigerbeetle import ledger_at
from perdure.ledger.tigerbeetle_export import Exported, move
from perdure.ledger.tigerbeetle_ids import ledger_number
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

from .conftest import Store, open_store, skip_without_cluster
from .test_ledger_contract import account
from .test_ledger_contract import move as new_move
from .test_tigerbeetle_kills import Killed, Mortal

LEDGER = PostgresLedger()


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    skip_without_cluster()
    async with migrated_database(postgres_url) as made:
        yield made


class Books:
    """A ledger on PostgreSQL that goes on."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.bank, self.till = new_id(ACCOUNT), new_id(ACCOUNT)
        self.wallets = [new_id(ACCOUNT) for _ in range(5)]
        self.holds: list[str] = []

    async def open(self) -> None:
        async with transaction(self.pool) as session:
            bank = account(AccountKind.ASSET, id=self.bank, may_go_negative=True)
            await LEDGER.open_account(session, bank)
            await LEDGER.open_account(session, account(AccountKind.ASSET, id=self.till))
            for wallet in self.wallets:
                await LEDGER.open_account(session, account(id=wallet))
                await LEDGER.post(session, new_move(self.bank, wallet, 1000))
            await LEDGER.post(session, new_move(self.till, self.bank, 300))

    async def go_on(self) -> None:
        """Money moves; some of what was held is settled, and more is held."""
        async with transaction(self.pool) as session:
            for hold in self.holds[:2]:
                await LEDGER.post_hold(session, hold, new_id(TRANSFER), 40)
            self.holds = self.holds[2:]
            for wallet in self.wallets:
                new = new_move(wallet, self.bank, 50)
                await LEDGER.hold(session, new)
                self.holds.append(new.id)
            await LEDGER.post(session, new_move(self.bank, self.till, 100))

    async def balances(self) -> dict[str, Balance]:
        async with transaction(self.pool) as session:
            ids = [self.bank, self.till, *self.wallets]
            found = await LEDGER.accounts_with_balances(session, ids)
            return {key: balance for key, (_, balance) in found.items()}


async def resumed(pool: Pool) -> Exported:
    """Bring it over though it dies at each request in turn, before it or after."""
    dies_at, is_done = 1, False
    while True:
        mortal = Mortal(dies_at=dies_at, is_done=is_done)
        try:
            return await move(pool, mortal, finish=False)
        except Killed:
            dies_at, is_done = dies_at + is_done, not is_done
        finally:
            await mortal.close()


async def test_a_ledger_is_moved_and_its_balances_are_equal_e13(url: str) -> None:
    async with open_pool(url, size=5) as pool:
        books, healthy = Books(pool), Mortal()
        await books.open()
        await books.go_on()
        assert (await resumed(pool)).differences == []
        await books.go_on()
        behind = await move(pool, healthy, finish=False)
        again = await move(pool, healthy, finish=False)
        assert behind.written > 0
        assert (again.written, again.differences, again.is_moved) == (0, [], False)
        assert (again.accounts, again.holds) == (7, len(books.holds))

        await books.go_on()
        moved = await move(pool, healthy, finish=True)
        assert (moved.differences, moved.is_moved) == ([], True)
        assert (await move(pool, healthy, finish=True)).is_moved
        left = await books.balances()
        with pytest.raises(asyncpg.RaiseError, match="ledger_balances"):
            await books.go_on()
        await healthy.close()
    with pytest.raises(ConfigurationError, match="at TigerBeetle"):
        async with open_store(url, LedgerChoice.POSTGRES):
            pass
    async with open_store(url, LedgerChoice.TIGERBEETLE) as store:
        async with transaction(store.pool) as session:
            found = await store.ledger.accounts_with_balances(session, list(left))
        assert {key: balance for key, (_, balance) in found.items()} == left
        async with transaction(store.pool) as session:
            await store.ledger.post_hold(session, books.holds[0], new_id(TRANSFER))
            await store.ledger.void_hold(session, books.holds[1], new_id(TRANSFER))
        assert await store.violations() == []
        await stray(store, books)
        broken = {(each.name, each.subject_ids) for each in await store.violations()}
        assert broken >= {("balances_equal_transfers", (one,)) for one in (books.bank, books.till)}


async def stray(store: Store, books: Books) -> None:
    """Have TigerBeetle move money that no transfer of ours is of."""
    tigerbeetle = Mortal()
    numbers = (await ledger_at(store.pool, tigerbeetle)).numbers
    own = tb.Transfer(
        id=tb.id(),
        debit_account_id=numbers.account(books.till),
        credit_account_id=numbers.account(books.bank),
        amount=1,
        ledger=ledger_number("USD"),
        code=1,
    )
    assert await tigerbeetle.write([[own]]) == [[tb.CreateTransferStatus.CREATED]]
    await tigerbeetle.close()
