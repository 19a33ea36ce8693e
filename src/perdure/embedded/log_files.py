"""Logs of processes that keep them open: appended to, and put aside while they are written."""

import contextlib
import shutil
from pathlib import Path
from typing import IO, Final

LOG_BYTES_MAX: Final = 20_000_000
"""Beyond this size a log is put aside as `<name>.log.1`, in place of the one before."""


def open_log(log: Path) -> IO[bytes]:
    """Open a log to append to."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def put_aside_if_large(log: Path, *, bytes_max: int = LOG_BYTES_MAX) -> bool:
    """Copy a log that has become large to another file, and empty it; returns whether it was.

    Whoever has it open goes on at its beginning. What is written between the two is lost; so is
    all of it where there is no room for a copy: the disk is needed for other things then.
    """
    try:
        if log.stat().st_size <= bytes_max:
            return False
    except FileNotFoundError:
        return False
    aside = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, aside)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
    with log.open("r+b") as file:
        file.truncate()
    return True
