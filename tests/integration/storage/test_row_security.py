"""The database shows a customer its own rows alone, and takes none that are another's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import pytest

from perdure.core.claim import claiming
from perdure.core.errors import Forbidden, InvalidInput
from perdure.core.ids import ACCOUNT, new_id
from perdure.operations import store
from perdure.schema import declared
from perdure.storage.pool import Connection, Pool, open_pool, transaction
from perdure.storage.row_policies import OWN
from perdure.storage.row_security import in_own_name, seen
from tests.pooler import pgbouncer

from .people import NAMED_BY, People

DECLARED: Final = {"house": OWN, **declared().rows}
TABLES: Final = sorted({one.table for rows in DECLARED.values() for one in rows})

EXCUSED: Final = {
    "api_keys": "whose key it is, is asked before anybody has said who it is",
    "identities": "what a verifier says, told with the onboarding",
    "onboardings": "read with what makes somebody a customer, told with the operation",
    "domains": "read and written with what renews them, never shown to a customer",
    "payment_daily_totals": "counted by the house, never shown",
}
"""Tables with customers' rows that a customer's request does not read at all."""

NOBODY: Final = "cus_nobody"


@pytest.fixture(scope="module", params=["direct", "pooler"])
def url_of_one(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """The database, and the same through PgBouncer that lends its connections for a transaction."""
    if request.param == "direct":
        yield database_url
        return
    with pgbouncer(database_url) as url:
        yield url


@pytest.fixture
async def one(url_of_one: str) -> AsyncIterator[Pool]:
    """A pool of one connection: who comes next has the one before's."""
    async with open_pool(url_of_one, size=1) as pool:
        yield pool


@pytest.fixture
async def people(pool: Pool) -> People:
    found = People(pool)
    await found.settle()
    return found


async def rows(connection: Connection | Pool, table: str) -> set[str]:
    name = NAMED_BY.get(table, "id")
    return {row[0] for row in await connection.fetch(f"SELECT {name} FROM {table}")}


async def test_a_customer_sees_its_own_rows_of_each_table_e13(people: People, one: Pool) -> None:
    assert sorted(people.of(people.ada)) == TABLES, "say what of a new table is whose"
    for person in (people.ada, people.bob, people.ada):
        with claiming(person.id):
            async with seen(one) as connection:
                for table, own in people.of(person).items():
                    assert await rows(connection, table) == own, table


async def test_who_has_nothing_sees_nothing_and_who_says_nothing_too(
    people: People, one: Pool
) -> None:
    for person in (NOBODY, ""):
        with claiming(person):
            async with seen(one) as connection:
                for table in TABLES:
                    assert await rows(connection, table) == set()
    async with transaction(one) as connection:
        await connection.execute("SELECT set_config('role', perdure_customer_role(), true)")
        assert await rows(connection, "operations") == set()


async def test_nothing_stays_on_a_connection_that_is_given_back(people: People, one: Pool) -> None:
    as_it_was = await settings(one)
    with claiming(people.ada.id):
        async with seen(one) as connection:
            assert (await settings(connection))[:2] != as_it_was[:2]
        with pytest.raises(asyncpg.UndefinedTableError):
            async with seen(one) as connection:
                await connection.fetch("SELECT FROM no_such_table")
        with pytest.raises(InvalidInput):
            async with seen(one) as connection:
                raise InvalidInput("An error of ours.")
        waiting = asyncio.create_task(_waits(one))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await settings(one) == as_it_was
    assert {people.ada.operation_id, people.bob.operation_id} <= await rows(one, "operations")


async def settings(at: Connection | Pool) -> list[str]:
    return [
        await at.fetchval(f"SELECT coalesce(nullif({said}, ''), 'none')::text")
        for said in (
            "current_user",
            "current_setting('perdure.customer_id', true)",
            "current_setting('role')",
            "current_setting('transaction_read_only')",
        )
    ]


async def _waits(pool: Pool) -> None:
    async with seen(pool) as connection:
        await connection.execute("SELECT pg_sleep(60)")


async def test_the_houses_statements_keep_their_plans(people: People, database_url: str) -> None:
    """What is planned for one role is planned anew for another: each has its own."""
    async with open_pool(database_url, size=1) as direct:
        for person in (None, people.ada.id):
            with claiming(person):
                async with seen(direct) as connection:
                    await store.get(connection, people.ada.operation_id)
        prepared = await direct.fetch(
            "SELECT statement LIKE '%/* for a customer */' AS is_customers"
            " FROM pg_prepared_statements WHERE statement LIKE 'SELECT id, %WHERE id = $1%'"
        )
    assert sorted(row["is_customers"] for row in prepared) == [False, True]


async def test_what_is_read_for_a_customer_changes_nothing(people: People, one: Pool) -> None:
    with claiming(people.ada.id), pytest.raises(asyncpg.PostgresError):
        async with seen(one) as connection:
            await connection.execute("INSERT INTO operations (id) VALUES ('x')")


@asynccontextmanager
async def as_ada(people: People, pool: Pool) -> AsyncIterator[Connection]:
    with claiming(people.ada.id):
        async with transaction(pool) as connection, in_own_name(connection):
            yield connection


ACCOUNTS: Final = (
    "INSERT INTO ledger_accounts (id, customer_id, name, kind, currency, may_go_negative, shards)"
    " VALUES ('{account}', {customer}, 'x', 'liability', 'USD', false, 1)"
)
OPERATIONS: Final = (
    "INSERT INTO operations (id, kind, status, customer_id, input)"
    " VALUES ('{operation}', 'payment', 'pending', {customer}, '{{}}')"
)


@pytest.mark.parametrize("statement", [ACCOUNTS, OPERATIONS])
async def test_a_row_in_anothers_name_is_refused_e13(
    people: People, one: Pool, statement: str
) -> None:
    ids = {"account": new_id(ACCOUNT), "operation": new_id("pay")}
    for customer in (f"'{people.bob.id}'", "'house'"):
        with pytest.raises(Forbidden) as refusal:
            async with as_ada(people, one) as connection:
                await connection.execute(statement.format(customer=customer, **ids))
        assert refusal.value.code == "other_customer"
    async with as_ada(people, one) as connection:
        await connection.execute(statement.format(customer=f"'{people.ada.id}'", **ids))


NONE_OF_ITS_BUSINESS: Final = (
    "UPDATE operations SET customer_id = customer_id",
    "DELETE FROM operations",
    "UPDATE ledger_balances SET credits_posted_minor = 1",
    "INSERT INTO ledger_transfers (id) VALUES ('x')",
    "INSERT INTO orders (id) VALUES ('x')",
    "SELECT FROM api_keys",
    "SELECT FROM provider_calls",
    "SELECT FROM idempotency_keys",
)


async def test_what_a_customer_has_no_business_with_is_refused(people: People, one: Pool) -> None:
    for statement in NONE_OF_ITS_BUSINESS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            async with as_ada(people, one) as connection:
                await connection.execute(statement)


async def test_more_than_a_beginning_is_not_written_in_a_customers_name(
    people: People, one: Pool
) -> None:
    entry = (
        "INSERT INTO operation_trail (operation_id, actor, action, status)"
        " VALUES ($1, 'ada', $2, 'failed')"
    )
    with pytest.raises(Forbidden):
        async with as_ada(people, one) as connection:
            await connection.execute(entry, people.bob.operation_id, "closed")
    with pytest.raises(Forbidden):
        async with as_ada(people, one) as connection:
            await connection.execute(
                "INSERT INTO ledger_balances (account_id, shard, credits_posted_minor)"
                " VALUES ($1, 1, 1)",
                people.ada.account_id,
            )


async def test_an_error_in_the_midst_gives_the_name_up(people: People, one: Pool) -> None:
    """What goes on in the transaction after it, goes on as it began: as the house."""
    as_it_was = await settings(one)
    with claiming(people.ada.id):
        async with transaction(one) as connection:
            with pytest.raises(InvalidInput):
                async with in_own_name(connection):
                    raise InvalidInput("An error of ours.")
            assert (await settings(connection))[:3] == as_it_was[:3]
            with pytest.raises(asyncpg.UniqueViolationError):
                async with in_own_name(connection), connection.transaction():
                    await connection.execute(
                        OPERATIONS.format(
                            operation=people.ada.operation_id, customer=f"'{people.ada.id}'"
                        )
                    )
            assert (await settings(connection))[:3] == as_it_was[:3]
            with pytest.raises(asyncpg.UndefinedTableError):
                async with connection.transaction(), in_own_name(connection):
                    await connection.fetch("SELECT FROM no_such_table")
            assert (await settings(connection))[:3] == as_it_was[:3]
            async with in_own_name(connection):
                assert await rows(connection, "orders") == {people.ada.order_id}
            assert people.bob.order_id in await rows(connection, "orders")
    assert await settings(one) == as_it_was


async def test_every_table_with_a_customer_is_declared_or_excused(pool: Pool) -> None:
    named = await pool.fetch(
        "SELECT table_name FROM information_schema.columns"
        " WHERE column_name = 'customer_id' AND table_schema = current_schema()"
    )
    assert {row[0] for row in named} - set(TABLES) == set(EXCUSED)


async def test_the_role_owns_nothing_and_has_what_is_declared_alone(pool: Pool) -> None:
    granted = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
        " AND relnamespace = current_schema()::regnamespace AND CASE relkind WHEN 'S'"
        " THEN has_sequence_privilege(perdure_customer_role(), oid, 'USAGE, SELECT, UPDATE')"
        " ELSE has_table_privilege(perdure_customer_role(), oid,"
        " 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END"
    )
    assert sorted(row[0] for row in granted) == TABLES
    assert await pool.fetchval(
        "SELECT NOT (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb)"
        " AND NOT EXISTS (SELECT FROM pg_shdepend WHERE refobjid = pg_roles.oid AND deptype = 'o')"
        " FROM pg_roles WHERE rolname = perdure_customer_role()"
    )


async def test_nothing_of_ours_goes_past_the_policies(pool: Pool) -> None:
    """A view is read, and a function of this kind works, with its owner's rights."""
    assert (
        await pool.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm')"
            " AND relnamespace = current_schema()::regnamespace"
            " AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false)"
        )
        == []
    )
    assert (
        await pool.fetch(
            "SELECT proname FROM pg_proc"
            " WHERE prosecdef AND pronamespace = current_schema()::regnamespace"
        )
        == []
    )
