"""No query reads a table that grows from end to end: each one's plan, on a database that is full.

As the pool plans them: once a connection, for any value.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

import pytest
from bench.years_of_rows import fill

from perdure.core.claim import claiming
from perdure.core.clock import utc_now
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import reporting, store
from perdure.operations.archive import Archive
from perdure.operations.bulk import selection
from perdure.operations.bulk import store as bulks
from perdure.operations.bulk.model import BulkQuery, ItemState
from perdure.operations.model import Status
from perdure.schema import migrate
from perdure.storage.pool import Connection, Pool, open_pool
from perdure.storage.row_security import seen
from perdure.trades import listing
from perdure.trades.orders.service import Orders
from tests.servers import migrated_database
from tests.statements import Database, plan_of, rows_read, sent

OPERATIONS: Final = 10_000
FEW: Final = 300
"""What may be looked at of these, whatever is asked for."""

STAYS_SMALL: Final = {
    "alembic_version",
    "archive_exports",
    "archive_later",
    "archive_mark",
    "archived_operations",  # its months have the rows
    "api_keys",
    "bank_sync_pages",
    "bank_syncs",
    "bulk_lists",
    "bulks",
    "console_sessions",
    "flag_changes",
    "flags",
    "instruments",
    "interactive_workers",
    "janitor_marks",
    "lane_workers",
    "ledger_open_holds",
    "ledger_tigerbeetle",
    "ledger_tigerbeetle_owed",
    "ledger_tigerbeetle_sessions",
    "ledger_verified_balances",
    "limit_changes",
    "limit_shares",
    "limits",
    "operation_breakdowns",
    "payload_decodes",
    "reconciliation_sources",
    "statement_uploads",
    "verifications",
}
"""A row for each provider, flag, key, bulk, run, open operation, look of a person into a history,
or breakdown of the last day; or
`verify` alone reads it."""

READS_ALL: Final = {
    "perdure.ledger.tigerbeetle_export": "a ledger's move, over whole tables",
    "perdure.capability.books": "a provider's books, in a table of the moment",
    "perdure.capability.verification": "verify, over whole tables",
    "perdure.erasures.kept_answers": "answers, kept for a day, by what they say; once an erasure",
    "perdure.storage.row_policies": "the server's roles, when it is migrated",
}
READS_MUCH: Final = {
    # What was posted since the last time: as many as there are.
    "perdure.reconciliation.run.staging": ["much of the index ledger_transfers_created"],
    # The pages that were written lately, of which the planner knows nothing.
    "perdure.operations.standing": ["much of the index operations_times"],
    "perdure.operations.archive_files": ["the index pg_inherits_relid_seqno_index"],  # its months
    "perdure.operations.bulk.store": ["much of the index bulk_items_state"],  # counts a bulk's own
    "perdure.ledger.tigerbeetle": ["the index ledger_accounts_pkey"],  # to the first of them
    "perdure.legacy.comparing": ["much of the index legacy_operations_compared"],  # counts a time's
    "perdure.trades.orders.replaying": ["much of the index order_journal_pkey"],  # all of a book
}
MADE_AT_RUN_TIME: Final = {
    "perdure.capability.books": "verify, over whole tables",
    "perdure.capability.verification": "verify, over whole tables",
    "perdure.ledger.trial_balance": "a sum over every account, which is what is asked for",
    "perdure.ledger.verify": "verify, over whole tables",
    "perdure.operations.archive": "a month's table is made",
    "perdure.operations.archive_files": "a month's table is read whole, into a file",
    "perdure.operations.bulk.store": "seen below",
    "perdure.payments.import_outcomes": "an import's own, in a file of SQLite",
    "perdure.erasures.places": "one column that is a table's key, or is indexed, by its values",
    "perdure.storage.indexes": "indexes",
    "perdure.storage.row_policies": "roles and policies",
    "perdure.storage.row_security": "what it is given, with a comment",
    "perdure.storage.query": "the lists and the previews: seen below",
    "perdure.trades.orders.service": "the list of orders: seen below",
}


@pytest.fixture(scope="module")
async def full(postgres_url: str) -> AsyncIterator[Pool]:
    """A database with a year of operations; its user is no superuser, so policies hold for it."""
    owner = f"perdure_owner_{uuid4().hex[:8]}"
    async with migrated_database(postgres_url) as url:
        async with open_pool(url, size=1) as pool:
            await fill(pool, OPERATIONS)
            while await Archive(pool, timedelta(days=300)).look():
                pass
            await pool.execute("ANALYZE", timeout=60)
            await pool.execute(f"CREATE ROLE {owner}")
            for table in await pool.fetch(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'S')"
                " AND relnamespace = 'public'::regnamespace AND (relkind <> 'S' OR NOT EXISTS"
                " (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i')))"
            ):
                await pool.execute(f"ALTER TABLE {table['relname']} OWNER TO {owner}")
        await migrate(url)
        as_owner = f"{url}{'&' if '?' in url else '?'}role={owner}"
        async with open_pool(as_owner, size=1) as pool:
            yield pool
    async with open_pool(postgres_url, size=1) as pool:
        await pool.execute(f"DROP ROLE {owner}")


@pytest.fixture(scope="module")
async def database(full: Pool) -> Database:
    async with full.acquire() as connection:
        return await Database.of(connection, few=FEW)


async def test_each_table_is_filled_or_stays_small(full: Pool, database: Database) -> None:
    rows = await full.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    tables = {row["tablename"] for row in rows}
    months = {name for name in tables if name.startswith("archived_operations_")}
    assert months & database.grows
    assert tables - months - database.grows == STAYS_SMALL


async def test_no_statement_reads_all_of_what_grows(full: Pool, database: Database) -> None:
    found = {}
    async with full.acquire() as connection:
        for one in sent():
            module = one.place.partition(":")[0]
            if one.sql is None or module in READS_ALL:
                continue
            read_whole = database.read_whole(await plan_of(connection, one.sql))
            if read_whole and read_whole != READS_MUCH.get(module):
                found[one.place] = read_whole
    assert found == {}


def test_statements_made_at_run_time_are_known() -> None:
    made = {one.place.partition(":")[0] for one in sent() if one.sql is None}
    assert made == set(MADE_AT_RUN_TIME)


async def test_policies_hold_for_whose_plans_are_looked_at(full: Pool) -> None:
    assert await full.fetchval("SELECT row_security_active('operations')")
    assert await full.fetchval("SELECT count(*) FROM operations") > 0


WANTED: Final[list[dict[str, Any]]] = [
    {"kind": "transfer"},
    {"kind": "kind_3"},
    {"kind": "of none"},
    {"status": Status.SUCCEEDED},
    {"status": Status.FAILED},
    {"status": Status.UNKNOWN},
    {"customer_id": "customer-5"},
    {"reference": "reference-100"},
    {"reference": "of none"},
]


def _lists() -> Iterator[dict[str, Any]]:
    yield {}
    for size in (1, 2, 3):
        for some in itertools.combinations(WANTED, size):
            merged: dict[str, Any] = {name: value for one in some for name, value in one.items()}
            if len(merged) == size:
                yield merged


async def test_a_list_reads_little_more_than_it_shows(full: Pool) -> None:
    middle = await full.fetchval(
        "SELECT id FROM operations ORDER BY right(id, 26) OFFSET $1 LIMIT 1", OPERATIONS // 2
    )
    cursors: list[dict[str, Any]] = [{}, {"starting_after": middle}, {"ending_before": middle}]
    found = {}
    for wanted, cursor in itertools.product(_lists(), cursors):
        read = await _read(full, partial(store.find, **wanted, **cursor))
        if read > FEW:
            found[str(wanted | cursor)] = read
    assert found == {}


class Lent:
    """A pool that lends the one connection that is watched."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield self._connection


OF_CUSTOMER: Final = "customer-5"
"""Who asks with a key of its own: an order's customer, too."""


@pytest.mark.parametrize("filtered", [True, False], ids=["filtered", "by the database alone"])
async def test_a_customers_list_reads_little_more_than_it_shows(full: Pool, filtered: bool) -> None:
    """Beyond a cursor it reads the customer's newer rows too."""
    own: dict[str, Any] = {"customer_id": OF_CUSTOMER} if filtered else {}
    ledger = PostgresLedger()
    with claiming(OF_CUSTOMER):
        async with seen(full) as connection:
            (account,) = await ledger.list_accounts(connection)
            newest, *_, oldest = await store.find(connection, limit=100)
        asks: list[Callable[[Connection], Awaitable[object]]] = [
            *(partial(store.find, **own, **more) for more in _pages(oldest.id, filtered)),
            partial(store.get, operation_id=newest.id),
            partial(reporting.trail, operation_id=newest.id),
            partial(reporting.timeline, operation_id=newest.id, limit=10),
            partial(listing.find, **own),
            lambda at: Orders(Lent(at), ledger).find(**own, starting_after="~", limit=11),  # type: ignore[arg-type]
            lambda at: ledger.list_accounts(at, **own),
            lambda at: ledger.list_transfers(at, account_id=account.id),
            lambda at: ledger.balance(at, account.id),
        ]
        read = {number: await _read(full, ask) for number, ask in enumerate(asks)}
    assert {number: rows for number, rows in read.items() if rows > FEW} == {}


def _pages(cursor: str, filtered: bool) -> Iterator[dict[str, Any]]:
    # A kind's newest are looked through where nothing else is said.
    kinds: list[dict[str, Any]] = [{"kind": "transfer"}] if filtered else []
    for more in ({}, *kinds, {"status": Status.FAILED}):
        yield more
        yield more | {"starting_after": cursor}
        yield more | {"ending_before": cursor}


ORDERS: Final[list[dict[str, Any]]] = [
    {},
    {"customer_id": "customer-5"},
    {"customer_id": "customer-5", "reference": "reference-104"},
    {"customer_id": "customer-5", "asset": "ASSET-4", "is_open": True},
    {"asset": "ASSET-4"},
    {"asset": "ASSET-4", "is_open": True},
    {"is_open": True},
]


@pytest.mark.parametrize("wanted", ORDERS, ids=str)
async def test_a_list_of_orders_reads_little_more_than_it_shows(
    full: Pool, wanted: dict[str, Any]
) -> None:
    middle = await full.fetchval("SELECT id FROM orders ORDER BY id OFFSET 5000 LIMIT 1")
    for after in ("~", middle):

        def ask(at: Any, after: str = after) -> Awaitable[object]:
            orders = Orders(Lent(at), PostgresLedger())  # type: ignore[arg-type]
            return orders.find(**wanted, starting_after=after, limit=11)

        assert await _read(full, ask) <= FEW


NOW: Final = utc_now()
NARROW: Final = [
    BulkQuery(status=Status.UNKNOWN),
    BulkQuery(status=Status.NEEDS_ATTENTION, kind="transfer"),
    BulkQuery(failure_code="of none"),
    BulkQuery(failure_code="refused_3", failure_step="of none"),
    BulkQuery(customer_id="customer-5"),
    BulkQuery(metadata={"order": "order-500"}),
    BulkQuery(status=Status.NEEDS_ATTENTION, provider="bank"),
]
TIMES: Final = [
    {"after": timedelta(days=100), "before": timedelta(days=99)},
    {"after": timedelta(days=1)},
    {"before": timedelta(days=364)},
]


@pytest.mark.parametrize("query", NARROW, ids=str)
async def test_a_preview_reads_little_more_than_it_counts(full: Pool, query: BulkQuery) -> None:
    assert await _read(full, lambda at: selection.preview(at, query)) <= FEW


@pytest.mark.parametrize("column", ["created", "updated"])
@pytest.mark.parametrize("times", TIMES, ids=str)
async def test_a_preview_of_a_time_reads_its_neighbours_too(
    full: Pool, column: str, times: dict[str, timedelta]
) -> None:
    wanted: dict[str, Any] = {f"{column}_{side}": NOW - ago for side, ago in times.items()}
    query = BulkQuery(**wanted)
    # The index names groups of pages.
    assert await _read(full, lambda at: selection.preview(at, query)) <= OPERATIONS // 10


async def test_a_bulks_items_are_read_page_by_page(full: Pool) -> None:
    bulk_id = await full.fetchval("SELECT id FROM bulks LIMIT 1")
    for state in (None, ItemState.DONE, ItemState.FAILED):
        ask = partial(bulks.items, bulk_id=bulk_id, state=state, after_number=50)
        read = await _read(full, ask)
        assert read <= FEW


TRADES: Final = 2_000
MANY_TRADES: Final = """
INSERT INTO operations (id, kind, status, customer_id, finished_at, input)
SELECT 'trd_' || lpad(number::text, 26, '0'), 'trade', 'succeeded', 'house', now(),
       jsonb_build_object('request', jsonb_build_object('asset', 'ASSET-' || number % 50,
           'buyer_customer_id', 'cus-' || number % 997, 'buyer_account_id', 'acc-' || number % 997,
           'seller_customer_id', 'cus-' || number % 499, 'seller_account_id', 'acc-' || number % 499
       ))
FROM generate_series(1, $1::int) AS number
"""


async def test_a_list_of_trades_reads_little_more_than_it_shows(postgres_url: str) -> None:
    people = [{"customer_id": "cus-7"}, {"account_id": "acc-7"}, {}]
    others: list[dict[str, Any]] = [{}, {"asset": "ASSET-7"}, {"status": Status.FAILED}]
    cursors = [{}, {"starting_after": f"trd_{TRADES // 2:026}"}]
    async with migrated_database(postgres_url) as url, open_pool(url, size=1) as pool:
        await fill(pool, OPERATIONS // 10)
        await pool.execute(MANY_TRADES, TRADES, timeout=60)
        await pool.execute("ANALYZE operations", timeout=60)
        found = {}
        for some in itertools.product(people, others, cursors):
            wanted: dict[str, Any] = {}
            for one in some:
                wanted |= one
            read = await _read(pool, partial(listing.find, **wanted))
            if read > FEW:
                found[str(wanted)] = read
        assert found == {}


async def _read(pool: Pool, ask: Callable[[Connection], Awaitable[object]]) -> int:
    """Return how many rows were looked at for what is asked."""
    asked: list[Any] = []
    async with seen(pool) as connection, connection.transaction():
        with connection.query_logger(asked.append):
            await ask(connection)
            await asyncio.sleep(0)  # the last one is told of in the next turn of the loop
        plans = [
            await plan_of(connection, one.query, *one.args)
            for one in asked
            if one.query.lstrip().startswith(("SELECT", "WITH"))
        ]
    assert plans, "nothing was asked"
    return max(rows_read(plan) for plan in plans)
