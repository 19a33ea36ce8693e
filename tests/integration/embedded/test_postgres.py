"""The embedded server: shared, kept, and back after a kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from perdure.core.errors import ConfigurationError
from perdure.embedded.postgres import (
    create_database,
    drop_database,
    postgres_process,
    postgres_url,
    start_postgres,
)
from perdure.embedded.postgres_cluster import PostgresCluster
from perdure.embedded.supervisor import Supervisor
from tests.polls import eventually_without_a_loop

SOCKET_LOCK = ".s.PGSQL.5432.lock"

JOIN = """
import sys
from pathlib import Path
from perdure.embedded.postgres import start_postgres

with start_postgres(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests of the module: making a cluster takes a second."""
    folder = tmp_path_factory.mktemp("embedded") / "data"
    yield folder
    assert not PostgresCluster(folder).answers()


@pytest.fixture
def killed_server(data_dir: Path) -> Iterator[int]:
    """A process of the server's user that has ended, and whose exit nobody has collected."""
    with start_postgres(data_dir):
        pass
    user, group = PostgresCluster(data_dir).owner or (None, None)
    with subprocess.Popen(["true"], user=user, group=group) as process:
        ended = psutil.Process(process.pid)
        eventually_without_a_loop(lambda: ended.status() == psutil.STATUS_ZOMBIE)
        yield process.pid


def _join(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", JOIN, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_two_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    first, second = _join(data_dir), _join(data_dir)
    urls = {_said(first), _said(second)}
    assert urls == {postgres_url(data_dir)}
    assert first.communicate("\n", timeout=30)[0] == ""
    assert await _value(urls.pop(), "SELECT current_database()") == "perdure"
    assert second.communicate("\n", timeout=30)[0] == ""
    assert (first.returncode, second.returncode) == (0, 0)
    assert not PostgresCluster(data_dir).answers()


async def test_data_outlives_a_stop_and_a_kill(data_dir: Path) -> None:
    with start_postgres(data_dir) as server:
        await _value(server.url, "CREATE TABLE kept (n int)")
    with start_postgres(data_dir) as server:
        await _value(server.url, "INSERT INTO kept VALUES (1)")
        pid = PostgresCluster(data_dir).pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with start_postgres(data_dir) as again:
            assert await _value(again.url, "SELECT sum(n) FROM kept") == 1
    assert not PostgresCluster(data_dir).answers()


async def test_a_killed_server_whose_exit_nobody_collected_does_not_block_the_next(
    data_dir: Path, killed_server: int
) -> None:
    cluster = PostgresCluster(data_dir)
    for lock_file in (cluster.folder / "postmaster.pid", cluster.socket_dir / SOCKET_LOCK):
        lock_file.write_text(f"{killed_server}\n{cluster.folder}\n")
        if cluster.owner is not None:
            os.chown(lock_file, *cluster.owner)
    with start_postgres(data_dir) as server:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_a_server_left_by_a_killed_process_ends_with_the_next_user(data_dir: Path) -> None:
    process = _join(data_dir)
    url = _said(process)
    _kill(process)
    assert await _value(url, "SELECT 1") == 1
    start_postgres(data_dir).stop()
    assert not PostgresCluster(data_dir).answers()


async def test_databases_come_and_go_and_sqlalchemy_takes_the_url(data_dir: Path) -> None:
    with start_postgres(data_dir) as server:
        url = await create_database(server.url, "other")
        engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as connection:
            found = await connection.exec_driver_sql("SELECT current_database()")
            assert found.scalar() == "other"
        await engine.dispose()
        await drop_database(server.url, "other")
        count = "SELECT count(*) FROM pg_database WHERE datname = 'other'"
        assert await _value(server.url, count) == 0


async def test_the_settings_make_commits_durable_and_keep_it_off_the_network(
    data_dir: Path,
) -> None:
    with start_postgres(data_dir) as server:
        for setting, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "200",
            "listen_addresses": "",
        }.items():
            assert await _value(server.url, f"SHOW {setting}") == value


async def test_a_supervised_server_is_left_alone_by_those_who_join_it(data_dir: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(
        data_dir, [postgres_process(data_dir)], report=reports.append, handle_signals=False
    )
    async with supervisor:
        start_postgres(data_dir).stop()
        assert await _value(postgres_url(data_dir), "SELECT 1") == 1
    assert reports == []
    assert not PostgresCluster(data_dir).answers()


async def test_a_supervised_server_does_not_take_a_folder_in_use(data_dir: Path) -> None:
    with start_postgres(data_dir) as server:
        supervisor = Supervisor(
            data_dir, [postgres_process(data_dir)], report=print, handle_signals=False
        )
        with pytest.raises(ConfigurationError, match="in use by another program"):
            await supervisor.__aenter__()
        assert await _value(server.url, "SELECT 1") == 1
