"""What is no database for Perdure is told in one line, by every process and before it begins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from perdure.schema import declared, migrate
from perdure.storage import indexes
from perdure.storage.indexes import GONE, INDEXES
from perdure.storage.revisions import revisions
from tests.integration.cli.shell import Shell
from tests.servers import drop_database

PROCESSES = [("migrate",), ("api",), ("worker",), ("keys", "list"), ("doctor",)]


class Databases:
    """Makes databases, and their URLs."""

    def __init__(self, server_url: str, server: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._url = server_url
        self._server = server
        self.made: list[str] = []

    def url(self, name: str) -> str:
        base, _, query = self._url.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    async def make(self, how: str = "") -> str:
        name = f"perdure_unfit_{uuid4().hex[:8]}"
        await self._server.execute(f"CREATE DATABASE {name} {how}")
        self.made.append(name)
        return self.url(name)


@pytest.fixture
async def databases(postgres_url: str) -> AsyncIterator[Databases]:
    server = await asyncpg.connect(postgres_url)
    found = Databases(postgres_url, server)
    yield found
    for name in found.made:
        await drop_database(server, name)
    await server.close()


async def missing(databases: Databases) -> str:
    return databases.url("perdure_nowhere")


async def in_latin1(databases: Databases) -> str:
    return await databases.make("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")


async def from_a_newer_release(databases: Databases) -> str:
    url = await databases.make()
    await migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999_tomorrow'")
    await connection.close()
    return url


@pytest.mark.parametrize(
    ("database", "told"),
    [
        (missing, 'database "perdure_nowhere" does not exist'),
        (in_latin1, "has the encoding LATIN1"),
        (from_a_newer_release, "it is at 9999_tomorrow, and this one knows it up to"),
    ],
    ids=["missing", "LATIN1", "newer"],
)
async def test_every_process_tells_it_in_one_line_and_ends(
    databases: Databases,
    tmp_path: Path,
    database: Callable[[Databases], "asyncio.Future[str]"],
    told: str,
) -> None:
    shell = Shell(await database(databases), tmp_path)
    *others, doctor = PROCESSES
    all_done = await asyncio.gather(*(asyncio.to_thread(shell.run, *words) for words in others))
    # By itself: it waits for nobody long, the database neither.
    all_done.append(await asyncio.to_thread(shell.run, *doctor))
    for words, done in zip(PROCESSES, all_done, strict=True):
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        [line] = [line for line in said.splitlines() if told in line]
        assert "Traceback" not in said
        if words != ("doctor",):
            assert line.startswith("error: ")


async def test_one_that_was_not_migrated_is_no_reason_to_end(databases: Databases) -> None:
    url = await databases.make()
    assert await migrate(url) == list(revisions())
    assert await migrate(url) == []


async def test_an_index_that_was_left_half_built_is_built_anew(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await databases.make()
    await migrate(url)
    monkeypatch.setattr(indexes, "_LARGE_BYTES", -1)  # beside the work, as where there is much
    connection = await asyncpg.connect(url)
    await connection.execute("DROP INDEX operations_times")
    await connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'operations_status'::regclass"
    )
    await asyncio.gather(migrate(url), migrate(url))
    wanted = [*INDEXES, *declared().indexes]
    valid = await connection.fetch(
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relname = ANY($1)",
        [*wanted, *GONE],
    )
    assert {row["relname"]: row["indisvalid"] for row in valid} == dict.fromkeys(wanted, True)
    await connection.close()
