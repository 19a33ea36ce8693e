"""What is done to a platform: processes killed, providers that fail, a database without writes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import httpx

from perdure.cli.machine import Machine
from perdure.storage.outages import wait_out

_POLL_S: Final = 0.02
_FAULTS_AGAIN_S: Final = 0.5


def kill_process(machine: Machine, name: str) -> bool:
    """`kill -9` a process; False: it is down at the moment, having been killed a moment ago."""
    pid = machine.supervisor.pids.get(name)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


@asynccontextmanager
async def faults_on(provider_url: str, *, rate: float, seed: int) -> AsyncIterator[None]:
    """Have a provider fail by chance while the context is open."""

    async def keep(provider: httpx.AsyncClient) -> None:
        while True:  # one that was killed has forgotten that it shall
            await set_faults(provider, rate=rate, seed=seed)
            await asyncio.sleep(_FAULTS_AGAIN_S)

    async with httpx.AsyncClient(base_url=provider_url, trust_env=False) as provider:
        keeping = asyncio.create_task(keep(provider))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        await set_faults(provider, rate=0.0, seed=seed)


async def set_faults(provider: httpx.AsyncClient, *, rate: float, seed: int) -> None:
    """Change how often a provider fails by chance; waits for one that is away."""
    while True:
        try:
            answer = await provider.put("/control/faults", json={"rate": rate, "seed": seed})
            answer.raise_for_status()
            return
        except httpx.TransportError:
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def read_only_database() -> AsyncIterator[None]:
    """Have the database refuse every write while the context is open, as a standby does."""
    await wait_out(lambda: _allow_writes(False))
    try:
        yield
    finally:
        await wait_out(lambda: _allow_writes(True))


async def _allow_writes(allowed: bool) -> None:
    # In a session that may write itself, whatever the others may.
    connection = await asyncpg.connect(
        os.environ["DATABASE_URL"],
        timeout=5,
        server_settings={"default_transaction_read_only": "off"},
    )
    try:
        value = "off" if allowed else "on"
        await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close(timeout=5)
