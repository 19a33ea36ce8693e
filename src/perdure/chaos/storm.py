"""The loud part of a round: payments are sent and cancelled while processes are killed."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
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
    storm = Storm(plan)
    storm.wallets = [
        await client.open_wallet(plan.customer_id, number, deposit_minor)
        for number, deposit_minor in enumerate(plan.deposits_minor)
    ]
    await _Storming(storm, machine, client).run()
    return storm


class _Storming:
    def __init__(self, storm: Storm, machine: Machine, client: PersistentClient) -> None:
        self._storm = storm
        self._machine = machine
        self._client = client
        self._free = asyncio.Semaphore(_SENDERS)

    async def run(self) -> None:
        plan = self._storm.plan
        faults = asyncio.create_task(self._keep_faults())
        try:
            async with asyncio.TaskGroup() as group:
                for sent, payment in enumerate(plan.payments, 1):
                    await self._free.acquire()
                    group.create_task(self._make(payment))
                    for kill in plan.kills:
                        if kill.after_payments == sent:
                            group.create_task(self._kill(kill))
        finally:
            faults.cancel()
            await asyncio.gather(faults, return_exceptions=True)
        await set_faults(self._machine.gateway_url, rate=0.0, seed=plan.seed)

    async def _make(self, payment: PlannedPayment) -> None:
        seen = self._storm.seen[payment.key] = Seen()
        body = _body(payment, self._storm)
        try:
            if payment.sending == Sending.AT_ONCE:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._client.pay(body, payment.key, seen))
                    group.create_task(self._client.pay(body, payment.key, seen))
            else:
                await self._client.pay(body, payment.key, seen)
        finally:
            self._free.release()
        if payment.sending == Sending.AGAIN:
            await self._client.pay(body, payment.key, seen)
        if payment.cancel_after_s is not None and seen.payment_ids:
            await asyncio.sleep(payment.cancel_after_s)
            await self._client.cancel(seen.payment_ids[0], seen)

    async def _kill(self, kill: PlannedKill) -> None:
        await asyncio.sleep(kill.delay_s)
        # One that is down at the moment cannot be killed; it was killed a moment ago.
        if (pid := self._machine.supervisor.pids.get(kill.process)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self._storm.kills[kill.process] += 1

    async def _keep_faults(self) -> None:
        """Have the gateway fail by chance; one that was killed has forgotten that it shall."""
        plan = self._storm.plan
        while True:
            await set_faults(self._machine.gateway_url, rate=plan.fault_rate, seed=plan.seed)
            await asyncio.sleep(_FAULTS_AGAIN_S)


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
        # Not its reference: that would make it one payment even without the key.
        "metadata": {"chaos_key": payment.key},
    }
