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
from pathlib import Path
from typing import Any

from perdure.cli.main import main

_TIMEOUT_S = 120
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["perdure.cli.main", "perdure.cli.session"])


class Shell:
    """Runs `perdure` on a database; Temporal is away, so starts are postponed."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "PERDURE_DATA_DIR": str(folder),
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
        }

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
