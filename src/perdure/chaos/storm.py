"""The loud part of a round: operations are sent and cancelled while processes are killed."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from perdure.chaos.client import PersistentClient, Seen
from perdure.chaos.plan import Plan, Planned, PlannedKill, Sending
from perdure.cli.machine import Machine

_SENDERS: Final = 16
_POLL_S: Final = 0.02
_FAULTS_AGAIN_S: Final = 0.5


@dataclass(slots=True)
class Storm:
    """What was done in a round, and what the caller saw.

    Args:
        wallets: The accounts, by their index in the plan.
        seen: By the operations' keys.
        kills: How many times each process was killed.
    """

    plan: Plan
    wallets: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)


async def raise_storm(plan: Plan, machine: Machine, client: PersistentClient) -> Storm:
    """Carry out a round's plan, and return when the last request is answered, the last kill done.

    Raises:
        ProviderUnavailable: The API, or a provider, stayed away.
    """
    storm = await open_storm(plan, client)
    await _Storming(storm, machine, client).run()
    return storm


async def open_storm(plan: Plan, client: PersistentClient) -> Storm:
    """Open a plan's wallets, with the money that is on them at first.

    Raises:
        ProviderUnavailable: The API stayed away.
    """
    wallets = [
        await client.open_wallet(plan.customer_id, number, deposit_minor)
        for number, deposit_minor in enumerate(plan.deposits_minor)
    ]
    return Storm(plan, wallets)


class _Storming:
    def __init__(self, storm: Storm, machine: Machine, client: PersistentClient) -> None:
        self._storm = storm
        self._machine = machine
        self._client = client
        self._free = asyncio.Semaphore(_SENDERS)

    async def run(self) -> None:
        plan, machine = self._storm.plan, self._machine
        async with (
            faults_on(machine.gateway_url, rate=plan.fault_rate, seed=plan.seed),
            faults_on(machine.bank_url, rate=plan.fault_rate, seed=plan.seed),
            asyncio.TaskGroup() as group,
        ):
            for sent, planned in enumerate(plan.operations, 1):
                await self._free.acquire()
                group.create_task(self._make(planned))
                for kill in plan.kills:
                    if kill.after == sent:
                        group.create_task(self._kill(kill))

    async def _make(self, planned: Planned) -> None:
        try:
            await send(planned, self._storm, self._client)
        finally:
            self._free.release()
        await follow_up(planned, self._storm, self._client)

    async def _kill(self, kill: PlannedKill) -> None:
        await asyncio.sleep(kill.delay_s)
        if kill_process(self._machine, kill.process):
            self._storm.kills[kill.process] += 1


async def send(planned: Planned, storm: Storm, client: PersistentClient) -> None:
    """Send an operation's first request, or its first two where they go at once."""
    seen = storm.seen[planned.key] = Seen()
    body = _body(planned, storm)
    async with asyncio.TaskGroup() as group:
        for _ in range(2 if planned.sending == Sending.AT_ONCE else 1):
            group.create_task(client.make(planned.path, body, planned.key, seen))


async def follow_up(planned: Planned, storm: Storm, client: PersistentClient) -> None:
    """Send an operation a second time and cancel it, where that is its plan."""
    seen = storm.seen[planned.key]
    if planned.sending == Sending.AGAIN:
        await client.make(planned.path, _body(planned, storm), planned.key, seen)
    if planned.cancel_after_s is not None and seen.operation_ids:
        await asyncio.sleep(planned.cancel_after_s)
        await client.cancel(planned.path, seen.operation_ids[0], seen)


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


def _body(planned: Planned, storm: Storm) -> dict[str, Any]:
    return {
        "customer_id": storm.plan.customer_id,
        "account_id": storm.wallets[planned.wallet],
        "amount_minor": planned.amount_minor,
        "currency": "USD",
        "bulk": planned.bulk,
        # Not its reference: that would make it one operation even without the key.
        "metadata": {"chaos_key": planned.key},
        **planned.details(),
    }
