"""Finds Temporal's CLI, which is also its dev server, or gets it."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock

VERSION: Final = "1.5.1"
"""The last that `go install` takes: from 1.6 on its go.mod has a `replace`. Server 1.29.1."""
SETTING: Final = "PERDURE_TEMPORAL_CLI"
GO_PACKAGE: Final = f"github.com/temporalio/cli/cmd/temporal@v{VERSION}"

DOWNLOAD_STALL_S: Final = 20.0
"""A download that brings nothing new for so long is given up."""
DOWNLOAD_TIMEOUT_S: Final = 900.0
BUILD_TIMEOUT_S: Final = 1800.0
"""Three minutes on two cores with a good line; some machines have neither."""
PROGRESS_INTERVAL_S: Final = 15.0

Report = Callable[[str], None]


class _NoWay(Exception):
    """One way to get the CLI did not work; the message says why."""


def find_temporal_cli(environ: Mapping[str, str]) -> Path | None:
    """Return the CLI that is there: as set, on PATH, or in the user's cache.

    Raises:
        ConfigurationError: PERDURE_TEMPORAL_CLI is set to something that cannot be run.
    """
    if chosen := environ.get(SETTING):
        if not _is_program(Path(chosen)):
            raise ConfigurationError(
                f"{SETTING} is {chosen}, which is not a program. Set it to the path of"
                " Temporal's CLI, or unset it.",
                param=SETTING,
            )
        return Path(chosen)
    if on_path := shutil.which("temporal", path=environ.get("PATH", "")):
        return Path(on_path)
    cached = cached_cli(environ)
    return cached if _is_program(cached) else None


def ensure_temporal_cli(report: Report, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the CLI; where there is none, download it, or else build it, into the user's cache.

    Blocks: minutes the first time. Processes that do it together wait for the first one.

    Args:
        report: Told what is done, in sentences for the person at the terminal.
        environ: The environment: where to look, and what `go` is given.

    Raises:
        ConfigurationError: It is not there and cannot be had; the message names the ways.
    """
    if found := find_temporal_cli(environ):
        return found
    cached = cached_cli(environ)
    cached.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cached.parent / "install.lock")
    if not lock.acquire(wait=False):
        report("Another process is getting Temporal's CLI: waiting for it.")
        lock.acquire()
    try:
        if found := find_temporal_cli(environ):
            return found
        report(f"Temporal's CLI {VERSION} is not on this machine yet. It is kept in {cached}.")
        _install(cached, report, environ)
        return cached
    finally:
        lock.release()


def cached_cli(environ: Mapping[str, str]) -> Path:
    """Return where the CLI is kept once it was downloaded or built."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(home) / "perdure" / f"temporal-cli-v{VERSION}" / "temporal"


def _install(cached: Path, report: Report, environ: Mapping[str, str]) -> None:
    failures = []
    for way in (_download, _build):
        # In the same folder, so that the rename is atomic.
        with tempfile.TemporaryDirectory(dir=cached.parent, prefix="new-") as folder:
            try:
                binary = way(Path(folder), report, environ)
            except _NoWay as failure:
                report(f"{failure}.")
                failures.append(str(failure))
                continue
            binary.chmod(0o755)
            binary.replace(cached)
            report("Temporal's CLI is ready.")
            return
    reasons = "".join(f"\n  - {failure}" for failure in failures)
    raise ConfigurationError(
        f"Temporal's CLI is not on this machine and cannot be had:{reasons}\n"
        "Any one of these helps:\n"
        "  - Install the CLI (https://docs.temporal.io/cli/setup-cli) so that `temporal` is on"
        f" PATH, or set {SETTING} to its path.\n"
        f"  - Build it: install Go (https://go.dev/dl), then `go install {GO_PACKAGE}`.\n"
        f"  - Copy the program from another machine to {cached}.\n"
        "  - Use a Temporal server elsewhere: set TEMPORAL_ADDRESS.",
        param=SETTING,
    )


def _download(folder: Path, report: Report, environ: Mapping[str, str]) -> Path:
    report("Downloading it from temporal.io.")
    command = [sys.executable, "-m", "perdure.embedded.temporal_download", str(folder), VERSION]
    grown_at_s, size_bytes = time.monotonic(), 0
    output = _Output(command, environ, timeout_s=DOWNLOAD_TIMEOUT_S)
    try:
        for line in output.lines(every_s=0.2):
            now_s, before_bytes = time.monotonic(), size_bytes
            size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            if size_bytes != before_bytes or line is not None:
                grown_at_s = now_s
            elif now_s - grown_at_s > DOWNLOAD_STALL_S:
                raise _NoWay(f"The download brought nothing for {DOWNLOAD_STALL_S:g} s")
    finally:
        output.close()
    programs = [file for file in folder.rglob("temporal*") if _is_program(file)]
    if output.code != 0 or not programs:
        raise _NoWay(f"The download failed: {_last_line(output.tail)}")
    return programs[0]


def _build(folder: Path, report: Report, environ: Mapping[str, str]) -> Path:
    go = shutil.which("go", path=environ.get("PATH", ""))
    if go is None:
        raise _NoWay("It cannot be built here: Go is not installed")
    report(f"Building it: go install {GO_PACKAGE}. That takes some minutes, once.")
    began_s = told_s = time.monotonic()
    modules = 0
    output = _Output(
        [go, "install", GO_PACKAGE], {**environ, "GOBIN": str(folder)}, timeout_s=BUILD_TIMEOUT_S
    )
    try:
        for line in output.lines(every_s=1.0):
            modules += line is not None and line.startswith("go: downloading ")
            if (now_s := time.monotonic()) - told_s >= PROGRESS_INTERVAL_S:
                told_s = now_s
                downloaded = f"{modules} modules downloaded, " if modules else ""
                report(f"Building: {downloaded}{now_s - began_s:.0f} s so far.")
    finally:
        output.close()
    binary = folder / "temporal"
    if output.code != 0 or not _is_program(binary):
        raise _NoWay(f"The build failed: {_last_line(output.tail)}")
    return binary


class _Output:
    """A command that runs, read line by line, with an end in sight whatever it does."""

    def __init__(self, command: list[str], environ: Mapping[str, str], *, timeout_s: float) -> None:
        self.tail: list[str] = []
        """Its last lines."""
        self.code: int | None = None
        """Its exit code, once `close` was called."""
        self._deadline_s = time.monotonic() + timeout_s
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines(self, *, every_s: float) -> Iterator[str | None]:
        """Yield its lines, and None whenever there was none for `every_s`; until it ends."""
        while True:
            try:
                line = self._lines.get(timeout=every_s)
            except queue.Empty:
                yield None
            else:
                if line is None:
                    return
                self.tail = [*self.tail[-19:], line]
                yield line
            if time.monotonic() > self._deadline_s:
                raise _NoWay("It took too long, and was given up")

    def close(self) -> None:
        """Wait for its end; kill it and what it started if it still runs."""
        try:
            self.code = self._process.wait(timeout=1 if self._ended() else 0)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.code = self._process.wait()
        self._reader.join(timeout=5)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()

    def _ended(self) -> bool:
        return not self._reader.is_alive()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _last_line(lines: list[str]) -> str:
    told = [re.sub(r"\s+", " ", line) for line in lines if line.strip()]
    return told[-1][:300] if told else "it said nothing"
