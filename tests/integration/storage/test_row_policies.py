"""`perdure migrate` brings row-level security to what is declared, on a server that is rented.

Its user is no superuser: the policies hold for it too, and it may make roles, or may not.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from perdure.core.claim import claiming
from perdure.core.errors import ConfigurationError
from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.model import NewOperation
from perdure.schema import declared, migrate
from perdure.storage.pool import Pool, open_pool, transaction
from perdure.storage.row_policies import unprotected
from perdure.storage.row_security import in_own_name, seen
from tests.polls import eventually
from tests.servers import drop_database


@dataclass
class Rented:
    """A database of its own, and its users.

    Attributes:
        admin: Whoever rents it out, in this database.
    """

    server_url: str
    server: "asyncpg.Connection[asyncpg.Record]"
    admin: "asyncpg.Connection[asyncpg.Record]"
    name: str
    users: list[str]

    def url(self, user: str) -> str:
        """Return the database's URL for a user."""
        parts = urlsplit(self.server_url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{user}:{user}@{host}", path=f"/{self.name}").geturl()

    async def user(self, rights: str = "") -> str:
        """Make a user."""
        user = f"user{len(self.users)}_{self.name}"
        await self.server.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{user}' {rights}")
        self.users.append(user)
        return user

    async def owner(self, rights: str = "") -> str:
        """Make the user that the database belongs to."""
        owner = await self.user(rights)
        await self.server.execute(f"ALTER DATABASE {self.name} OWNER TO {owner}")
        await self.admin.execute(f"ALTER SCHEMA public OWNER TO {owner}")
        return owner


@pytest.fixture
async def rented(postgres_url: str) -> AsyncIterator[Rented]:
    name = f"perdure_rented_{uuid4().hex[:8]}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name}")
    admin = await asyncpg.connect(urlsplit(postgres_url)._replace(path=f"/{name}").geturl())
    found = Rented(postgres_url, server, admin, name, [])
    try:
        yield found
    finally:
        await admin.close()
        await drop_database(server, name)
        for user in found.users:
            await server.execute(f"DROP ROLE {user}")
        await server.close()


async def two_operations(pool: Pool) -> None:
    """Have two customers ask for something, with their own keys."""
    for customer_id in ("cus_ada", "cus_bob"):
        with claiming(customer_id):
            async with transaction(pool) as connection:
                new = NewOperation(new_id("pay"), "payment", customer_id, {"request": {}})
                await store.accept(connection, new, actor="customer_key:own")


async def customers(pool: Pool) -> list[str]:
    async with seen(pool) as connection:
        return [row[0] for row in await connection.fetch("SELECT customer_id FROM operations")]


async def test_an_ordinary_owner_works_as_the_house_and_as_its_customers(rented: Rented) -> None:
    url = rented.url(await rented.owner("CREATEROLE"))
    assert await migrate(url)
    assert await migrate(url) == []
    async with open_pool(url, size=1) as pool:
        assert await unprotected(pool, declared().rows) == []
        await two_operations(pool)
        assert sorted(await customers(pool)) == ["cus_ada", "cus_bob"]
        with claiming("cus_ada"):
            assert await customers(pool) == ["cus_ada"]
        # FORCE: not even who owns the tables goes past a policy.
        await pool.execute("DROP POLICY house ON operations")
        assert await customers(pool) == []
        assert await unprotected(pool, declared().rows) == ["operations"]
        await migrate(url)
        assert await unprotected(pool, declared().rows) == []
        assert sorted(await customers(pool)) == ["cus_ada", "cus_bob"]


async def test_who_may_make_no_role_is_told_what_is_to_be_run(rented: Rented) -> None:
    url = rented.url(await rented.owner())
    with pytest.raises(ConfigurationError) as refusal:
        await migrate(url)
    told = refusal.value.message
    make, give = told[told.index("CREATE ROLE") :].removesuffix(";").split("; ")
    await rented.server.execute(make)
    await rented.server.execute(give)
    assert await migrate(url) == []
    async with open_pool(url, size=1) as pool:
        await two_operations(pool)
        with claiming("cus_bob"):
            assert await customers(pool) == ["cus_bob"]


async def test_a_role_that_sees_all_is_not_taken_for_customers(rented: Rented) -> None:
    url = rented.url(await rented.owner("CREATEROLE"))
    await rented.server.execute(f"CREATE ROLE perdure_customer_{rented.name} BYPASSRLS")
    with pytest.raises(ConfigurationError, match="sees all rows"):
        await migrate(url)


async def test_who_was_let_in_before_sees_what_it_saw(rented: Rented) -> None:
    """A report's user, say: of one that is let in later, `perdure migrate` has to hear."""
    url = rented.url(await rented.owner("CREATEROLE"))
    await migrate(url)
    reporting = await rented.user()
    async with open_pool(url, size=1) as pool, open_pool(rented.url(reporting), size=1) as reader:
        await two_operations(pool)
        await pool.execute(f"GRANT SELECT ON operations TO {reporting}")
        assert await customers(reader) == []
        assert await unprotected(pool, declared().rows) == ["operations"]
        await migrate(url)
        assert len(await customers(reader)) == 2


async def test_a_table_in_use_is_waited_for_and_holds_nobody_up(rented: Rented) -> None:
    url = rented.url(await rented.owner("CREATEROLE"))
    await migrate(url)
    await rented.admin.execute("ALTER TABLE operations NO FORCE ROW LEVEL SECURITY")
    async with open_pool(url, size=2) as pool:
        async with transaction(pool) as long:
            await long.fetch("SELECT FROM operations")
            with capture_logs() as logs:
                migrating = asyncio.create_task(migrate(url))

                async def gave_way() -> bool:
                    return {"event": "table_is_in_use", "table": "operations"} in [
                        {name: one.get(name) for name in ("event", "table")} for one in logs
                    ]

                await eventually(gave_way)
            assert not migrating.done()
            async with asyncio.timeout(30):
                await pool.fetch("SELECT FROM operations")
        assert await migrating == []
        assert await unprotected(pool, declared().rows) == []


async def test_tables_in_the_users_own_schema_are_found_by_the_customers_too(
    rented: Rented,
) -> None:
    owner = await rented.owner("CREATEROLE")
    await rented.admin.execute(f"CREATE SCHEMA {owner} AUTHORIZATION {owner}")
    url = rented.url(owner)
    await migrate(url)
    async with open_pool(url, size=1) as pool:
        assert await pool.fetchval("SELECT current_schema()") == owner
        await two_operations(pool)
        with claiming("cus_ada"):
            assert await customers(pool) == ["cus_ada"]
            async with transaction(pool) as connection, in_own_name(connection):
                assert await connection.fetchval("SELECT count(*) FROM operations") == 1
