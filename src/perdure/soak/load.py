"""Payments, as many as can be made (closed loop) or at a steady rate (open loop)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final

from perdure.chaos.client import PersistentClient
from perdure.chaos.plan import plan_round
from perdure.chaos.planned import Planned
from perdure.chaos.storm import Storm, follow_up, open_storm, send
from perdure.core.errors import ProviderUnavailable

PAYMENTS_PER_PLAN: Final = 500
"""Then come the next seed's, from other wallets; opened ahead, so that no payment waits for it."""
WINDOW: Final = 64
"""How many payments are in progress at a time while the capacity is measured."""
_POLL_S: Final = 0.2
_SETTLED_MIN: Final = 20
_RAMP: Final = 1 / 3
"""The part of the time that is not counted: the first payments find everything idle."""


class Payments:
    """Payments without end: the rounds of chaos, one seed after the other, without their kills.

    Args:
        client: Makes them, and never gives up.
        seed: The first one.
    """

    def __init__(self, client: PersistentClient, seed: int) -> None:
        self.client = client
        self.storms: list[Storm] = []
        """Each has its own customer, and is checked by itself."""
        self._seeds = count(seed)
        self._left: Iterator[Planned] = iter(())
        self._opening: asyncio.Task[Storm] | None = None

    @property
    def customer_ids(self) -> list[str]:
        """Everybody's who has paid so far."""
        return [storm.plan.customer_id for storm in self.storms]

    async def next(self) -> tuple[Planned, Storm]:
        """Return the next payment, and what it is part of.

        Raises:
            ProviderUnavailable: The API stayed away.
        """
        while (payment := next(self._left, None)) is None:
            storm = await (self._opening or self._open())
            self.storms.append(storm)
            self._left = iter(storm.plan.operations)
            self._opening = asyncio.create_task(self._open())
        return payment, self.storms[-1]

    async def stop(self) -> None:
        """Leave it at the payments that were begun."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for storm in self.storms:
            begun = tuple(each for each in storm.plan.operations if each.key in storm.seen)
            storm.plan = replace(storm.plan, operations=begun)

    async def _open(self) -> Storm:
        plan = plan_round(next(self._seeds), payments=PAYMENTS_PER_PLAN, kills=0)
        # Nobody is there to call off what a provider did otherwise than it was asked.
        by_itself = tuple(each for each in plan.operations if not each.parks)
        return await open_storm(replace(plan, operations=by_itself), self.client)


async def measure_capacity(
    payments: Payments,
    count_unsettled: Callable[[], Awaitable[int]],
    *,
    seconds: float,
    patience_s: float = 60.0,
) -> float:
    """Return how many payments a second come to their end where there is always more to do.

    Args:
        count_unsettled: How many of those that were accepted have not come to their end.
        seconds: How long it is measured.
        patience_s: How much longer, where so few came to their end that it would be chance.

    Raises:
        ProviderUnavailable: None did (`no_capacity`), or the API stayed away.
    """
    begun = answered = 0

    async def make(payment: Planned, storm: Storm) -> None:
        nonlocal answered
        await send(payment, storm, payments.client)
        answered += 1
        await follow_up(payment, storm, payments.client)

    settled: list[tuple[float, int]] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        while not _is_enough(settled, at_s := time.monotonic() - began, seconds, patience_s):
            # Answered before the count: what is answered meanwhile counts the next time.
            done = max(answered - await count_unsettled(), 0)
            if at_s >= seconds * _RAMP:
                settled.append((time.monotonic(), done))
            while begun - done < WINDOW:
                group.create_task(make(*await payments.next()))
                begun += 1
            await asyncio.sleep(_POLL_S)
    return _rate(settled)


def _is_enough(
    settled: list[tuple[float, int]], at_s: float, seconds: float, patience_s: float
) -> bool:
    return at_s >= seconds and (_rise(settled) >= _SETTLED_MIN or at_s >= seconds + patience_s)


def _rise(settled: list[tuple[float, int]]) -> int:
    return settled[-1][1] - settled[0][1] if settled else 0


def _rate(settled: list[tuple[float, int]]) -> float:
    """Return the rise a second between the first and the last moment.

    Raises:
        ProviderUnavailable: `no_capacity`: there is none.
    """
    if _rise(settled) <= 0:
        raise ProviderUnavailable(
            "No payment came to its end while the capacity was measured. See the workers' logs.",
            code="no_capacity",
        )
    return _rise(settled) / (settled[-1][0] - settled[0][0])


class OpenLoop:
    """Payments at a steady rate, whatever becomes of those before them."""

    def __init__(self, payments: Payments, rate_per_s: float) -> None:
        self._payments = payments
        self._rate_per_s = rate_per_s
        self._due: dict[str, float] = {}
        self.sent = 0
        """How many were made so far."""

    @property
    def oldest_request_s(self) -> float:
        """How long ago a payment was due that has no answer yet; 0: all have."""
        return time.monotonic() - min(self._due.values()) if self._due else 0.0

    @property
    def requests(self) -> int:
        """How many payments have no answer yet."""
        return len(self._due)

    async def run(self, seconds: float) -> None:
        """Send payments, and return when all requests are answered.

        Raises:
            ProviderUnavailable: The API stayed away.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while (after_s := self.sent / self._rate_per_s) < seconds:
                payment, storm = await self._payments.next()
                await asyncio.sleep(max(began + after_s - time.monotonic(), 0))
                self._due[payment.key] = began + after_s
                group.create_task(self._make(payment, storm))
                self.sent += 1

    async def _make(self, payment: Planned, storm: Storm) -> None:
        try:
            await send(payment, storm, self._payments.client)
        finally:
            del self._due[payment.key]
        await follow_up(payment, storm, self._payments.client)
