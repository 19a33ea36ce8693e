"""Programs that tests run and that are built with Go: once, into the user's cache."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from perdure.embedded.locks import FileLock

from .servers import tell


def go_program(name: str, package: str, *, timeout_s: float) -> Path:
    """Return a program: from PATH, from the user's cache, or built into it.

    A test that it cannot be had for is skipped, and says why.

    Args:
        name: What it is called on PATH.
        package: What is installed: `example.com/module/cmd@v1.2.3`.
        timeout_s: How long it may take to build.
    """
    if on_path := shutil.which(name):
        return Path(on_path)
    path, _, version = package.partition("@")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "perdure" / f"{name}-{version}"
    binary = folder / path.rpartition("/")[2]
    if binary.exists():
        return binary
    if shutil.which("go") is None:
        pytest.skip(f"{name} is not here; install Go, then `go install {package}`")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "install.lock"):
        if not binary.exists():
            tell(f"Building {name} once: go install {package}")
            environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
            try:
                subprocess.run(
                    ["go", "install", package],
                    env=environment,
                    check=True,
                    capture_output=True,
                    timeout=timeout_s,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"{name} cannot be built: {error}")
    return binary
