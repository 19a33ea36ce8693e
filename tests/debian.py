"""Programs that tests run and Debian has: installed where that can be, else the test is skipped."""

import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache

import pytest


@cache
def program(name: str, package: str) -> str:
    """Return where a program is, of a package that is installed if need be."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which(name, path=places) is None:
        _install(package)
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"there is no {name}, and it cannot be installed (apt-get install {package})")
    return found


def _install(package: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=40", *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=45,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
