"""The ledger on each store: on TigerBeetle where `TIGERBEETLE_ADDRESSES` says where that is."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import pytest
from hypothesis import Phase

from perdure.core.ledgers import LedgerChoice
from perdure.ledger.choice import open_ledger
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.store import LedgerStore
from perdure.ledger.store_postgres import PostgresLedger
from perdure.ledger.store_tigerbeetle import TigerBeetleLedger
from perdure.ledger.verify import Violation, ask_elsewhere, questions
from perdure.ledger.verify import violations as violations_here
from perdure.storage.pool import Connection, Pool, open_pool, transaction, whole_tables
from tests.servers import migrated_database

Result = TypeVar("Result")

ADDRESSES: Final = os.environ.get("TIGERBEETLE_ADDRESSES", "")
DEADLINE_S: Final = 60.0
CLUSTER: Final = int(os.environ.get("TIGERBEETLE_CLUSTER_ID", "0"))


@dataclass(frozen=True)
class Store:
    """A ledger under test."""

    pool: Pool
    opened: OpenedLedger

    @property
    def ledger(self) -> LedgerStore[Connection]:
        return self.opened.store

    @property
    def is_elsewhere(self) -> bool:
        return self.opened.balances is not None

    async def violations(self) -> list[Violation]:
        if self.opened.balances is None:
            return await violations_here(self.pool)
        async with whole_tables(self.pool) as connection:
            asked = [each for each in questions() if each.is_about_balances]
            found = await ask_elsewhere(connection, asked, self.opened.balances, limit=100)
            for each in questions():
                found += [] if each.is_about_balances else await each.ask(connection, limit=100)
            return found

    def skip_elsewhere(self, why: str) -> None:
        if self.is_elsewhere:
            pytest.skip(f"not at TigerBeetle: {why}")


class _EachCommitted:
    """A ledger each of whose calls is a transaction of its own; its session is nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(_session: None, *given: Any, **named: Any) -> Any:
            async with transaction(self._store.pool) as connection:
                return await getattr(self._store.ledger, name)(connection, *given, **named)

        return call


@asynccontextmanager
async def open_store(database_url: str, choice: LedgerChoice) -> AsyncIterator[Store]:
    async with (
        open_pool(database_url, size=20, application_name="perdure-tests") as pool,
        open_ledger(
            choice, pool, addresses=ADDRESSES, cluster_id=CLUSTER, process="tests"
        ) as opened,
    ):
        if isinstance(opened.store, TigerBeetleLedger):
            # A machine that stalls answers late, and these tests ask only once.
            opened.store._tigerbeetle._deadline_s = DEADLINE_S
        yield Store(pool, opened)


def skip_without_cluster() -> None:
    if not ADDRESSES:
        pytest.skip("TIGERBEETLE_ADDRESSES is not set: no TigerBeetle to test the ledger on")


@pytest.fixture(scope="session")
async def tigerbeetle_url(postgres_url: str) -> AsyncIterator[str]:
    """A database whose balances are at TigerBeetle; nothing where there is no cluster."""
    if not ADDRESSES:
        yield ""
        return
    async with migrated_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def tigerbeetle_store(tigerbeetle_url: str) -> AsyncIterator[Store | None]:
    if not tigerbeetle_url:
        yield None
        return
    async with open_store(tigerbeetle_url, LedgerChoice.TIGERBEETLE) as store:
        yield store


@pytest.fixture(params=[*LedgerChoice])
def choice(request: pytest.FixtureRequest) -> LedgerChoice:
    found = LedgerChoice(request.param)
    if found is LedgerChoice.TIGERBEETLE:
        skip_without_cluster()
    return found


@pytest.fixture
def store(choice: LedgerChoice, pool: Pool, tigerbeetle_store: Store | None) -> Store:
    """The ledger on each store."""
    if choice is LedgerChoice.POSTGRES:
        return Store(pool, OpenedLedger(PostgresLedger()))
    assert tigerbeetle_store is not None
    return tigerbeetle_store


@dataclass(frozen=True)
class Example:
    """A ledger for some calls: in a transaction that is rolled back; elsewhere each by itself.

    Args:
        session: What its methods are given.
    """

    store: Store
    ledger: LedgerStore[Any]
    session: Any

    async def violations(self) -> list[Violation]:
        if self.session is None:
            return await self.store.violations()
        return await violations_here(self.session)


@asynccontextmanager
async def one_example(store: Store) -> AsyncIterator[Example]:
    if store.is_elsewhere:
        yield Example(store, cast("LedgerStore[Any]", _EachCommitted(store)), None)
        return
    async with store.pool.acquire() as connection:
        opened = connection.transaction()
        await opened.start()
        try:
            yield Example(store, store.ledger, connection)
        finally:
            await opened.rollback()


@pytest.fixture
async def example(store: Store) -> AsyncIterator[Example]:
    async with one_example(store) as opened:
        yield opened


@pytest.fixture
def session(example: Example) -> Any:
    return example.session


@pytest.fixture
def ledger(example: Example) -> LedgerStore[Any]:
    return example.ledger


class Examples:
    """Examples on a loop of their own, for tests that draw them."""

    def __init__(self, choice: LedgerChoice, database_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._opening = open_store(database_url, choice)
        self.store = self.run(self._opening.__aenter__())
        # Each costs a commit of every call there, and one that fails as many of its kin.
        self.examples_max = 10 if self.store.is_elsewhere else 40
        self.phases = [Phase.generate] if self.store.is_elsewhere else [*Phase]

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        self.run(self._opening.__aexit__(None, None, None))
        self._loop.close()


@pytest.fixture
def examples(choice: LedgerChoice, database_url: str, tigerbeetle_url: str) -> Iterator[Examples]:
    url = tigerbeetle_url if choice is LedgerChoice.TIGERBEETLE else database_url
    opened = Examples(choice, url)
    yield opened
    opened.close()
