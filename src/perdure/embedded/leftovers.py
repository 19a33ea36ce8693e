"""The record of what a supervisor runs, for the one that finds it left behind.

On Linux children die with their supervisor; elsewhere a supervisor that was killed leaves them.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

END_TIMEOUT_S: Final = 10.0
SAME_PROCESS_S: Final = 1.0
"""Ids are used again: a process is the one recorded if it began within this time of the record."""


class ProcessRecord:
    """A file with the ids of a supervisor and its children.

    Only the holder of the supervisor's lock writes it, or ends what it names.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pids: Mapping[str, int]) -> None:
        """Record this process and its children, by name."""
        children = {name: _identity(pid) for name, pid in pids.items()}
        written = {"pid": os.getpid(), "processes": {k: v for k, v in children.items() if v}}
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(written))
        new.replace(self._path)

    def remove(self) -> None:
        """Record that nothing runs."""
        self._path.unlink(missing_ok=True)

    def supervisor_pid(self) -> int | str:
        """Return the id of the supervisor that wrote the record."""
        pid = self._read().get("pid")
        return pid if isinstance(pid, int) else "unknown"

    def is_running(self) -> bool:
        """Whether the supervisor that wrote the record runs, as far as its id tells."""
        pid = self.supervisor_pid()
        try:
            return isinstance(pid, int) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end_leftovers(self, report: Callable[[str], None]) -> None:
        """End the processes that a killed supervisor left, the last started first."""
        for name, (pid, began_s) in reversed(self._read().get("processes", {}).items()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                same = abs(process.create_time() - began_s) < SAME_PROCESS_S
                if not same or _has_ended(process, timeout_s=0):
                    continue
                report(f"{name} of an earlier run is still there (pid {pid}): ending it")
                process.terminate()
                if not _has_ended(process, timeout_s=END_TIMEOUT_S):
                    process.kill()
                    _has_ended(process, timeout_s=END_TIMEOUT_S)

    def _read(self) -> dict[str, Any]:
        try:
            read = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}


def process_record(data_dir: Path) -> ProcessRecord:
    """Return the record of the supervisor that runs on a folder, or ran there."""
    return ProcessRecord(data_dir / "processes.json")


def _identity(pid: int) -> tuple[int, float] | None:
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _has_ended(process: psutil.Process, *, timeout_s: float) -> bool:
    """Wait until a process ended; one whose exit nobody collects (a zombie) counts as ended."""
    deadline_s = time.monotonic() + timeout_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(0.02)
    return True
