"""Where and with what a measurement was taken."""

import asyncio
import os
import platform
import shutil
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil

from bench.peers.restate_binary import find_restate_server
from bench.rounds import Ground
from perdure.embedded.temporal_cli import find_temporal_cli

_PACKAGES: Final = (
    "perdure",
    "temporalio",
    "celery",
    "redis",
    "dbos",
    "restate-sdk",
    "asyncpg",
    "psycopg",
    "aiohttp",
    "urllib3",
    "uvloop",
)


async def taken(command: str, ground: Ground, *, load_before: float) -> dict[str, Any]:
    """Return when, where, with which versions and by which command.

    Args:
        load_before: The machine's load average before the first round.
    """
    of_machine = taken_alone(command, load_before=load_before)
    return of_machine | {"versions": of_machine["versions"] | await _server_versions(ground)}


def taken_alone(command: str, *, load_before: float) -> dict[str, Any]:
    """Return the same of what needs no server."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": f"{os.cpu_count()} cores ({_processor()}),"
        f" {psutil.virtual_memory().total // 2**30} GiB, {platform.system()} {platform.release()}",
        "load_before": round(load_before, 2),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


async def _server_versions(ground: Ground) -> dict[str, str]:
    connection = await asyncpg.connect(ground.postgres_url)
    try:
        postgres: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    redis = await _first_line(shutil.which("redis-server"), "--version")
    return {
        "PostgreSQL": postgres,
        "Redis server": redis.partition("v=")[2].partition(" ")[0] or redis,
        "Temporal dev server": await _first_line(find_temporal_cli(os.environ), "--version"),
        "Restate server": await _first_line(find_restate_server(ground.cache), "--version"),
    }


async def _first_line(binary: str | Path | None, *arguments: str) -> str:
    if binary is None:
        return "not installed"
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().partition("\n")[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
