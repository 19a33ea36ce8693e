"""PostgreSQL for one machine: shared by whoever needs it, or as a supervised process."""

import asyncio
import atexit
import signal
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock
from perdure.embedded.postgres_cluster import PostgresCluster
from perdure.embedded.processes import FOUNDATION, ProcessSpec


def start_postgres(data_dir: Path, *, is_kept: bool = True) -> "EmbeddedPostgres":
    """Start the PostgreSQL server of a data folder, or join the one that runs.

    Blocks for about 1.5 s the first time, 0.2 s later on. Any number of processes may do it, at
    the same moment too; the last one to stop ends the server. Processes that are killed count as
    stopped, so that a server they leave is ended by the next to use the folder.

    Args:
        data_dir: Holds the cluster (`postgres/`) and its log (`logs/postgres.log`).
        is_kept: What is committed survives a power loss, where it starts the server.

    Raises:
        ConfigurationError: It cannot be started; the message says why.
    """
    cluster = PostgresCluster(data_dir, is_kept=is_kept)
    users = cluster.users_lock(shared=True)
    users.acquire()
    try:
        with cluster.start_lock():
            cluster.initialise()
            if cluster.start_in_background():
                _started_mark(cluster).write_text(str(cluster.pid()))
            cluster.ensure_database()
    except BaseException:
        users.release()
        raise
    return EmbeddedPostgres(cluster, users)


class EmbeddedPostgres:
    """One user's hold on a running server; stopped at the end of `with`, or of the process."""

    def __init__(self, cluster: PostgresCluster, users: FileLock) -> None:
        self._cluster = cluster
        self._users = users
        self.url = cluster.url()
        """The database `perdure`, for asyncpg; SQLAlchemy takes it as `postgresql+asyncpg://…`."""
        atexit.register(self.stop)

    def stop(self) -> None:
        """Let go of the server; it ends with its last user. A second time does nothing."""
        atexit.unregister(self.stop)
        self._users.release()
        _end_if_unused(self._cluster)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def postgres_process(data_dir: Path) -> ProcessSpec:
    """Return the server as a process to supervise; `postgres_url` says where it answers.

    Raises:
        ConfigurationError: The binaries are missing, or there is no user to run them as.
    """
    cluster = PostgresCluster(data_dir)

    def prepare() -> None:
        with cluster.start_lock():
            if not _end_if_unused(cluster):
                raise ConfigurationError(
                    f"The PostgreSQL server of {cluster.data_dir} is in use by another program"
                    f" (server's pid {cluster.pid()}). End that program first.",
                    param="PERDURE_DATA_DIR",
                )
            cluster.initialise()

    def ready() -> bool:
        if not cluster.answers():
            return False
        cluster.ensure_database()
        return True

    async def prepare_aside() -> None:
        await asyncio.to_thread(prepare)

    async def ready_aside() -> bool:
        return await asyncio.to_thread(ready)

    return ProcessSpec(
        name="postgres",
        argv=cluster.server_arguments(),
        env={"LC_ALL": "C"},
        cwd=Path("/"),
        owner=cluster.owner,
        prepare=prepare_aside,
        ready=ready_aside,
        # "Fast" shutdown: SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
        stop_wave=FOUNDATION,
    )


def postgres_url(data_dir: Path, database: str = "perdure") -> str:
    """Return where the server of a data folder answers, whether it runs or not."""
    return PostgresCluster(data_dir).url(database)


async def create_database(url: str, name: str) -> str:
    """Create an empty database on the server of `url`, and return its URL."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def drop_database(url: str, name: str) -> None:
    """Drop a database of the server of `url`, cutting its connections."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def _end_if_unused(cluster: PostgresCluster) -> bool:
    """End a server that `start_postgres` started and nobody uses; False where it is used.

    A supervised server is its supervisor's: the mark does not name it.
    """
    last = cluster.users_lock(shared=False)
    if not last.acquire(wait=False):
        return False
    try:
        mark = _started_mark(cluster)
        if mark.exists():
            if mark.read_text() == str(cluster.pid()) and cluster.answers():
                cluster.stop()
            mark.unlink()
    finally:
        last.release()
    return True


def _started_mark(cluster: PostgresCluster) -> Path:
    """Return the file with the process id of the server that `start_postgres` started."""
    return cluster.data_dir / "postgres.started"
