"""PgBouncer, the real one, in front of a server under test."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.debian import program
from tests.polls import eventually_without_a_loop

_CONNECTIONS = 2
"""So few that what is not asked in one transaction is soon asked on another connection."""


@contextmanager
def pgbouncer(server_url: str) -> Iterator[str]:
    """Lend a server's connections for a transaction each; gives the pooler's URL.

    Skips the test where there is no PgBouncer, and none can be installed.
    """
    server = urlsplit(server_url)
    host = parse_qs(server.query).get("host", [server.hostname or "localhost"])[0]
    with tempfile.TemporaryDirectory(prefix="perdure-pooler-") as name:
        folder = Path(name)
        user = _user(host)
        target = f"host={host} port={server.port or 5432} user={server.username or 'postgres'}"
        if server.password:
            target += f" password='{unquote(server.password)}'"
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = {target}\n[pgbouncer]\npool_mode = transaction\nauth_type = any\n"
            f"listen_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\n"
            f"default_pool_size = {_CONNECTIONS}\nlogfile = {folder}/log\n"
        )
        for path in (folder, folder / "pgbouncer.ini"):
            os.chown(path, user.pw_uid, user.pw_gid)
        runs_as: dict[str, Any] = (
            {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            if os.geteuid() == 0
            else {}
        )
        process = subprocess.Popen(
            [program("pgbouncer", "pgbouncer"), "--quiet", folder / "pgbouncer.ini"],
            **runs_as,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(folder / ".s.PGSQL.6432", process, folder / "log")
            yield f"postgresql://postgres@{server.path or '/'}?host={folder}&port=6432"
        finally:
            process.kill()
            process.wait()


def _user(host: str) -> pwd.struct_passwd:
    """Return who may reach the server: its socket may be its owner's alone."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    return pwd.getpwnam(Path(host).owner() if host.startswith("/") else "nobody")


def _wait_for(socket: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    def told() -> str:
        return f"PgBouncer said: {log.read_text() if log.exists() else 'nothing'}"

    def is_there() -> bool:
        assert process.poll() is None, told()
        return socket.exists()

    eventually_without_a_loop(is_there, why_not=told)
