"""`perdure`, as a shell runs it: each command in a process of its own.

The processes are forks of one that has imported what all commands need, as importing it is nine
tenths of what a small command costs. The end-to-end tests start `perdure` the common way.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.cli.main import main
from perdure.core.ports import LOOPBACK, hold_port
from perdure.storage.pool import Pool
from tests.polls import eventually_without_a_loop

_TIMEOUT_S = 120
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["perdure.cli.main", "perdure.cli.session", "perdure.api.main"])


@dataclass(frozen=True)
class ServedApi:
    """`perdure api` on a database, and a key to all of it; Temporal is away, so starts wait."""

    database_url: str
    url: str
    key: str


@asynccontextmanager
async def served_api(database_url: str, pool: Pool) -> AsyncIterator[ServedApi]:
    _, secret = await create_key(pool, "tests", [ADMIN])
    with perdure_api(database_url) as url:
        yield ServedApi(database_url, url, secret)


@contextmanager
def perdure_api(database_url: str) -> Iterator[str]:
    with hold_port(LOOPBACK, 0) as port, tempfile.TemporaryDirectory() as folder:
        environment = _environment(database_url) | {"PERDURE_API_PORT": str(port.number)}
        process = _FORKS.Process(
            target=_perdure,
            args=(("api",), environment, Path(os.devnull), Path(folder, "log")),
            daemon=True,
        )
        process.start()
        url = f"http://{LOOPBACK}:{port.number}"

        def answers() -> bool:
            try:
                return httpx.get(f"{url}/healthz", trust_env=False).is_success
            except httpx.TransportError:
                assert process.is_alive(), Path(folder, "log").read_text()
                return False

        try:
            eventually_without_a_loop(answers)
            yield url
        finally:
            process.terminate()
            process.join()


def _environment(database_url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}


class Shell:
    """Runs `perdure` as somebody on the machine, who has the key to its API if there is one."""

    def __init__(self, database_url: str, folder: Path, api: ServedApi | None = None) -> None:
        self._environment = _environment(database_url) | {"PERDURE_DATA_DIR": str(folder)}
        if api is not None:
            self._environment |= {"PERDURE_API_URL": api.url, "PERDURE_API_KEY": api.key}

    def elsewhere(self, key: str) -> "Shell":
        """Return the shell of somebody who has this key to the API, and no more."""
        shell = copy(self)
        shell._environment = self._environment | {"PERDURE_API_KEY": key, "DATABASE_URL": ""}
        return shell

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as folder:
            said, told = Path(folder, "stdout"), Path(folder, "stderr")
            process = _FORKS.Process(
                target=_perdure, args=(arguments, self._environment, said, told), daemon=True
            )
            process.start()
            process.join(_TIMEOUT_S)
            if process.exitcode is None:
                process.kill()
                raise subprocess.TimeoutExpired(arguments, _TIMEOUT_S)
            return subprocess.CompletedProcess(
                arguments, process.exitcode, said.read_text(), told.read_text()
            )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def _perdure(
    arguments: tuple[str, ...], environment: dict[str, str], said: Path, told: Path
) -> None:
    with Path(os.devnull).open() as nothing, said.open("w") as out, told.open("w") as err:
        for number, stream in enumerate((nothing, out, err)):
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["perdure", *arguments]
    main()
