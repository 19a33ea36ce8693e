"""A folder that only its own user reads: it holds secrets, and what customers said and paid."""

import os
import stat
from pathlib import Path
from typing import Final

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""What a umask takes from everybody else."""


def make_private_folder(folder: Path) -> None:
    """Make a folder, or tighten one that is there, with what is in it.

    What belongs to another user (PostgreSQL's, where root runs it) is left to that one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Root has let PostgreSQL's group pass through it, and its server may be running.
    passes = stat.S_IXGRP if folder.stat().st_gid != os.getegid() else 0
    _tighten(folder, kept=passes)
    for path, folders, files in os.walk(folder):
        own = [name for name in folders if _tighten(Path(path) / name)]
        folders[:] = own
        for name in files:
            _tighten(Path(path) / name)


def _tighten(path: Path, *, kept: int = 0) -> bool:
    """Take a file or folder from everybody else; False: it is not this user's own, or a link."""
    found = path.lstat()
    if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode):
        return False
    if found.st_mode & OTHERS & ~kept:
        path.chmod(stat.S_IMODE(found.st_mode) & ~(OTHERS & ~kept))
    return True
