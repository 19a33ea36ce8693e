"""A folder that only its own user reads: it holds secrets, and what customers said and paid."""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""What a umask takes from everybody else."""
SOCKET_PATH_BYTES_MAX: Final = 103
"""The shortest limit there is (macOS); Linux takes 107."""


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


def socket_folder(folder: Path, longest_name: str) -> Path:
    """Return where a server's sockets go: its own folder, or a short one where names are too long.

    A comma would be taken for a list of hosts.
    """
    longest = f"{folder}/{longest_name}"
    if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES_MAX and re.fullmatch(r"[^,\s]+", longest):
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"perdure-{digest}"
