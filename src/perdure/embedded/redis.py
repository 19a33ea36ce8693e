"""Redis for one machine, as a process to supervise: what it holds may be lost at any time.

It listens on no port: its socket is its user's alone.
"""

import asyncio
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Final

from perdure.core.errors import ConfigurationError
from perdure.embedded.private_folder import socket_folder
from perdure.embedded.processes import FOUNDATION, ProcessSpec

_SOCKET: Final = "redis.sock"


def redis_url(data_dir: Path) -> str:
    """Return where the server of a data folder answers, as Celery is told it."""
    return f"redis+socket://{_folder(data_dir) / _SOCKET}"


def redis_process(data_dir: Path, setting: str) -> ProcessSpec:
    """Return the server as a process to supervise.

    Args:
        setting: What says where one is that runs elsewhere.

    Raises:
        ConfigurationError: There is no Redis on this machine.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise ConfigurationError(
            "There is no redis-server on this machine: install it (apt install redis-server), or"
            f" set {setting} to where one of yours is.",
            param=setting,
        )
    folder = _folder(data_dir)
    socket = folder / _SOCKET

    async def prepare() -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.lstat().st_uid != os.geteuid():
            raise ConfigurationError(
                f"{folder} belongs to somebody else. Remove it, or set PERDURE_DATA_DIR to another"
                " folder.",
                param="PERDURE_DATA_DIR",
            )

    async def ready() -> bool:
        reader, writer = await asyncio.open_unix_connection(socket)
        with closing(writer):
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"

    return ProcessSpec(
        name="redis",
        argv=(
            *(binary, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--save", "", "--dir", str(folder)),
        ),
        prepare=prepare,
        ready=ready,
        restart="on_failure",
        stop_wave=FOUNDATION,
    )


def _folder(data_dir: Path) -> Path:
    return socket_folder(data_dir.resolve() / "redis", _SOCKET)
