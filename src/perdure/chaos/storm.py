"""The loud part of a round: operations are sent and cancelled while processes are killed."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from perdure.bootstrap import Platform
from perdure.chaos.client import PersistentClient
from perdure.chaos.harm import faults_on, kill_process, read_only_database
from perdure.chaos.load import loads, parts
from perdure.chaos.planned import Plan, Planned, PlannedKill, PlannedReadOnly, Sending
from perdure.chaos.seen import Seen, Storm
from perdure.cli.machine import Machine

_SENDERS: Final = 16


async def prepare(
    storm: Storm, machine: Machine, platform: Platform, client: PersistentClient
) -> None:
    """Do what has to be done before the operations of some kinds are asked for.

    Raises:
        ProviderUnavailable: The API, a provider, or the database, stayed away.
    """
    for load, part in parts(storm, machine, platform):
        if load.prepare:
            await load.prepare(part, client)


async def raise_storm(storm: Storm, machine: Machine, client: PersistentClient) -> None:
    """Carry out a round's plan, and return when the last request is answered, the last kill done.

    Raises:
        ProviderUnavailable: The API, or a provider, stayed away.
    """
    await _Storming(storm, machine, client).run()
    storm.is_over = True


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
        plan = self._storm.plan
        async with AsyncExitStack() as faults, asyncio.TaskGroup() as group:
            for url in self._machine.faulty_urls:
                await faults.enter_async_context(
                    faults_on(url, rate=plan.fault_rate, seed=plan.seed)
                )
            for sent, planned in enumerate(plan.operations, 1):
                await self._free.acquire()
                group.create_task(self._make(planned))
                for kill in plan.kills:
                    if kill.after == sent:
                        group.create_task(self._kill(kill))
                if plan.read_only is not None and plan.read_only.after == sent:
                    group.create_task(self._stop_writes(plan.read_only))

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

    async def _stop_writes(self, planned: PlannedReadOnly) -> None:
        async with read_only_database():
            await asyncio.sleep(planned.for_s)
        self._storm.read_only_s += planned.for_s


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


async def attend(planned: Planned, storm: Storm, client: PersistentClient) -> None:
    """Do what a person does later: refund what is to be, call off what a provider did otherwise."""
    seen = storm.seen[planned.key]
    if not seen.operation_ids:
        return
    if planned.asked.parks:
        await client.call_off_parked(planned.path, seen.operation_ids[0], seen)
    elif planned.refunded:
        await client.refund(planned.path, seen.operation_ids[0], f"{planned.key}-refund", seen)


def _body(planned: Planned, storm: Storm) -> dict[str, Any]:
    if (own := loads()[planned.kind].body) is not None:
        return own(planned, storm)
    body = {
        "customer_id": storm.plan.customer_id,
        "account_id": storm.wallets[planned.wallet],
        **planned.asked.body,
    }
    if not planned.by:
        # Not its reference: that would make it one operation even without the key.
        body |= {"bulk": planned.bulk, "metadata": {"chaos_key": planned.key}}
    return body
