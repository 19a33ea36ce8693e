"""What a simulator remembers: a file of JSON lines that outlives a kill."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from perdure.core.errors import ConfigurationError

Record = dict[str, Any]
"""One thing that happened; `kind` says what."""

SYNC_GAP_S: Final = 0.005
"""The least time between two fsyncs. One costs as much CPU as the request that waits for it, so the
requests of a busy moment share one; whoever comes alone does not wait."""

_TAIL_BYTES: Final = 65_536


def books_folder(given: Path | None = None) -> Path:
    """Return where a simulator keeps its books: where it was told, or in the data folder."""
    return given or Path(os.environ.get("PERDURE_DATA_DIR") or ".perdure") / "simulators"


class Journal:
    """An append-only file of records.

    `write` hands a record to the operating system, which keeps it through the end of this process;
    `sync` returns once it is on the disk. All who wait within a few milliseconds share one fsync.

    Args:
        path: The file; it and its folder are made where they do not exist.

    Raises:
        ConfigurationError: Another process has it open, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._syncing: asyncio.Task[None] | None = None
        self._next_sync: asyncio.Task[None] | None = None
        self._no_sync_before = 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written: {error.strerror}.", param="data_dir"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ConfigurationError(
                f"{path} belongs to a simulator that is running; stop it, or give this one another"
                " data directory.",
                param="data_dir",
            ) from error
        self._cut_torn_record()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sync()
        os.close(self._file)

    def records(self) -> Iterator[Record]:
        """Read everything that was written, the oldest first."""
        with self._path.open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def write(self, record: Record) -> None:
        """Append a record."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._file, line) :]

    async def sync(self) -> None:
        """Wait until everything written so far is on the disk."""
        if self._next_sync is None:
            self._next_sync = asyncio.create_task(self._sync_after(self._syncing))
        await asyncio.shield(self._next_sync)

    async def _sync_after(self, running: asyncio.Task[None] | None) -> None:
        # What is written while one fsync runs waits for the next: it may have come too late.
        if running is not None:
            await asyncio.wait([running])
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._no_sync_before - clock())
        self._no_sync_before = clock() + SYNC_GAP_S
        self._syncing, self._next_sync = self._next_sync, None
        await asyncio.to_thread(os.fsync, self._file)

    def _cut_torn_record(self) -> None:
        """Drop a last line without its end: the machine stopped while it was written."""
        size = os.fstat(self._file).st_size
        keep = size
        while keep > 0:
            start = max(0, keep - _TAIL_BYTES)
            newline = os.pread(self._file, keep - start, start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep != size:
            os.ftruncate(self._file, keep)
