"""A server that takes no changes any more, as after a failover: an outage, and left for another."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from temporalio.client import Client

from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import compose
from perdure.config import Settings
from perdure.embedded.postgres import start_postgres
from perdure.schema import migrate
from perdure.storage.outages import Outage, outage_of, wait_out
from perdure.storage.pool import Pool, open_pool
from tests.integration.api.conftest import api_on
from tests.integration.cli.shell import Shell
from tests.polls import eventually


@dataclass(frozen=True)
class Server:
    """A server of its own."""

    url: str

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        await self._set("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            yield
        finally:
            await self._set("ALTER SYSTEM RESET default_transaction_read_only")

    async def _set(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            before = await connection.fetchval("SHOW default_transaction_read_only")
            await connection.execute(statement)
            await connection.execute("SELECT pg_reload_conf()")

            async def is_set() -> bool:
                shown = await connection.fetchval("SHOW default_transaction_read_only")
                return bool(shown != before)

            await eventually(is_set)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_postgres(tmp_path_factory.mktemp("old")) as started:
        asyncio.run(migrate(started.url))
        yield Server(started.url)


@pytest.fixture
async def pool(server: Server) -> AsyncIterator[Pool]:
    async with open_pool(server.url, size=3) as opened:
        yield opened


async def note(pool: Pool) -> None:
    await pool.execute("INSERT INTO janitor_marks (name, mark) VALUES (gen_random_uuid(), now())")


async def test_what_met_it_is_an_outage_that_is_waited_out(server: Server, pool: Pool) -> None:
    async with server.read_only():
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as met:
            await note(pool)
        assert outage_of(met.value) == Outage.READ_ONLY
        waiting = asyncio.create_task(wait_out(lambda: note(pool)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    async with asyncio.timeout(60):
        await waiting


async def test_connections_are_made_anew_but_not_for_each_question(
    server: Server, pool: Pool
) -> None:
    async def pids() -> set[int]:
        async def pid() -> int:
            async with pool.acquire() as connection:
                await asyncio.sleep(0.05)
                found: int = await connection.fetchval("SELECT pg_backend_pid()")
                return found

        return set(await asyncio.gather(*(pid() for _ in range(3))))

    before = await pids()
    assert await pids() == before
    async with server.read_only():
        await pids()  # they hear of it with this answer
        between = await pids()
        assert not between & before
        assert await pids() == between


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="it is about servers on sockets")
async def test_of_several_servers_the_one_is_found_that_takes_changes(
    server: Server, postgres_url: str
) -> None:
    hosts = [parse_qs(urlsplit(url).query)["host"][0] for url in (server.url, postgres_url)]
    where = "SELECT current_setting('data_directory')"
    async with open_pool(f"postgresql://postgres@/perdure?host={','.join(hosts)}", size=3) as pool:
        old = await pool.fetchval(where)
        async with server.read_only():
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await pool.execute("CREATE TABLE failed_over ()")
            await pool.execute("CREATE TABLE failed_over ()")
            assert await pool.fetchval(where) != old
            await pool.execute("DROP TABLE failed_over")


async def test_the_api_says_to_come_again_and_is_not_ready(server: Server, pool: Pool) -> None:
    client = await Client.connect("127.0.0.1:1", lazy=True)
    platform = compose(Settings(database_url=server.url), pool, client)
    _, secret = await create_key(pool, "tests", [ADMIN])
    body = {"customer_id": "cus_1", "currency": "USD", "name": "Wallet"}
    async with api_on(platform, secret) as api:
        assert (await api.http.get("/readyz")).json()["database"] == "ok"
        async with server.read_only():
            answer = await api.post("/v1/accounts", body, key="once")
            readiness = await api.http.get("/readyz")
            read = await api.get("/v1/payments")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["error"]["code"] == "database_unavailable"
        assert (readiness.status_code, readiness.json()["database"]) == (503, "read_only")
        assert read.status_code == 200
        assert (await api.post("/v1/accounts", body, key="once")).status_code == 201
        assert (await api.http.get("/readyz")).json()["database"] == "ok"


async def test_commands_and_the_doctor_tell_it_in_a_line(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shell = Shell(server.url, tmp_path_factory.mktemp("shell"))
    async with server.read_only():
        opened = await asyncio.to_thread(shell.run, "keys", "create", "shop", "--scope", "admin")
        looked = await asyncio.to_thread(shell.run, "doctor")
    assert opened.returncode == 1
    assert opened.stderr.startswith("error: The database takes no changes: cannot execute ")
    assert len(opened.stderr.splitlines()) == 1
    assert "takes no changes: it is read-only, or a standby" in looked.stdout
