"""`perdure`, as a shell runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


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
        return subprocess.run(
            [sys.executable, "-m", "perdure.cli.main", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found
