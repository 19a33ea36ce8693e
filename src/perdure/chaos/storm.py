"""The loud part of a round: payments are sent and cancelled while processes are killed."""

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
from perdure.chaos.plan import Plan, PlannedKill, PlannedPayment, Sending
from perdure.cli.machine import Machine

_SENDERS: Final = 16
_POLL_S: Final = 0.02
_FAULTS_AGAIN_S: Final = 0.5


@dataclass(slots=True)
class Storm:
    """What was done in a round, and what the caller saw.

    Args:
        wallets: The accounts, by their index in the plan.
        seen: By the payments' keys.
        kills: How many times each process was killed.
    """

    plan: Plan
    wallets: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)


async def raise_storm(plan: Plan, machine: Machine, client: PersistentClient) -> Storm:
    """Carry out a round's plan, and return when the last request is answered, the last kill done.

    Raises:
        ProviderUnavailable: The API, or the gateway, stayed away.
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
        plan, gateway_url = self._storm.plan, self._machine.gateway_url
        async with (
            faults_on(gateway_url, rate=plan.fault_rate, seed=plan.seed),
            asyncio.TaskGroup() as group,
        ):
            for sent, payment in enumerate(plan.payments, 1):
                await self._free.acquire()
                group.create_task(self._make(payment))
                for kill in plan.kills:
                    if kill.after_payments == sent:
                        group.create_task(self._kill(kill))

    async def _make(self, payment: PlannedPayment) -> None:
        try:
            await send(payment, self._storm, self._client)
        finally:
            self._free.release()
        await follow_up(payment, self._storm, self._client)

    async def _kill(self, kill: PlannedKill) -> None:
        await asyncio.sleep(kill.delay_s)
        if kill_process(self._machine, kill.process):
            self._storm.kills[kill.process] += 1


async def send(payment: PlannedPayment, storm: Storm, client: PersistentClient) -> None:
    """Send a payment's first request, or its first two where they go at once."""
    seen = storm.seen[payment.key] = Seen()
    body = _body(payment, storm)
    async with asyncio.TaskGroup() as group:
        for _ in range(2 if payment.sending == Sending.AT_ONCE else 1):
            group.create_task(client.pay(body, payment.key, seen))


async def follow_up(payment: PlannedPayment, storm: Storm, client: PersistentClient) -> None:
    """Send a payment a second time and cancel it, where that is its plan."""
    seen = storm.seen[payment.key]
    if payment.sending == Sending.AGAIN:
        await client.pay(_body(payment, storm), payment.key, seen)
    if payment.cancel_after_s is not None and seen.payment_ids:
        await asyncio.sleep(payment.cancel_after_s)
        await client.cancel(seen.payment_ids[0], seen)


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
async def faults_on(gateway_url: str, *, rate: float, seed: int) -> AsyncIterator[None]:
    """Have the gateway fail by chance while the context is open."""

    async def keep() -> None:
        while True:  # one that was killed has forgotten that it shall
            await set_faults(gateway_url, rate=rate, seed=seed)
            await asyncio.sleep(_FAULTS_AGAIN_S)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    await set_faults(gateway_url, rate=0.0, seed=seed)


async def set_faults(gateway_url: str, *, rate: float, seed: int) -> None:
    """Change how often the gateway fails by chance; waits for a gateway that is away."""
    async with httpx.AsyncClient(base_url=gateway_url, trust_env=False) as http:
        while True:
            try:
                answer = await http.put("/control/faults", json={"rate": rate, "seed": seed})
                answer.raise_for_status()
                return
            except httpx.TransportError:
                await asyncio.sleep(_POLL_S)


def _body(payment: PlannedPayment, storm: Storm) -> dict[str, Any]:
    def party(name: str, email: str | None, phone: str | None) -> dict[str, Any]:
        return {"name": name, "email": email, "phone": phone}

    return {
        "customer_id": storm.plan.customer_id,
        "account_id": storm.wallets[payment.wallet],
        "amount_minor": payment.amount_minor,
        "currency": "USD",
        "payment_method": payment.payment_method,
        "payer": party("Payer", payment.payer.email, payment.payer.phone),
        "payee": party("Payee", payment.payee.email, payment.payee.phone),
        "bulk": payment.bulk,
        # Not its reference: that would make it one payment even without the key.
        "metadata": {"chaos_key": payment.key},
    }
