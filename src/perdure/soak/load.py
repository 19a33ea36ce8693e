"""Operations, as many as can be made (closed loop) or at a steady rate (open loop)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final

from perdure.chaos.client import PersistentClient
from perdure.chaos.plan import plan_round
from perdure.chaos.planned import Planned
from perdure.chaos.seen import Storm
from perdure.chaos.storm import follow_up, open_storm, send
from perdure.core.errors import ProviderUnavailable

OPERATIONS_PER_PLAN: Final = 500
"""Then come the next seed's, from other wallets; opened ahead, so that none waits for it."""
WINDOW: Final = 64
"""How many operations are in progress at a time while the capacity is measured."""
_POLL_S: Final = 0.2
_SETTLED_MIN: Final = 20
_RAMP: Final = 1 / 3
"""The part of the time that is not counted: the first ones find everything idle."""


class Operations:
    """Operations without end: the rounds of chaos, one seed after the other, without their kills.

    Args:
        client: Makes them, and never gives up.
        kind: Of which kind they are, by its plural.
        seed: The first one.
        prepare: Awaited before the operations of a plan are asked for.
    """

    def __init__(
        self,
        client: PersistentClient,
        kind: str,
        seed: int,
        prepare: Callable[[Storm], Awaitable[None]],
    ) -> None:
        self.client = client
        self._kind = kind
        self._prepare = prepare
        self.storms: list[Storm] = []
        """Each has its own customer, and is checked by itself."""
        self._seeds = count(seed)
        self._left: Iterator[Planned] = iter(())
        self._opening: asyncio.Task[Storm] | None = None

    @property
    def customer_ids(self) -> list[str]:
        """Everybody's who has asked for one so far."""
        return [storm.plan.customer_id for storm in self.storms]

    async def next(self) -> tuple[Planned, Storm]:
        """Return the next operation, and what it is part of.

        Raises:
            ProviderUnavailable: The API stayed away.
        """
        while (planned := next(self._left, None)) is None:
            storm = await (self._opening or self._open())
            self.storms.append(storm)
            self._left = iter(storm.plan.operations)
            self._opening = asyncio.create_task(self._open())
        return planned, self.storms[-1]

    async def stop(self) -> None:
        """Leave it at the operations that were begun."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for storm in self.storms:
            begun = tuple(each for each in storm.plan.operations if each.key in storm.seen)
            storm.plan = replace(storm.plan, operations=begun)

    async def _open(self) -> Storm:
        plan = plan_round(next(self._seeds), {self._kind: OPERATIONS_PER_PLAN})
        # Nobody is there to call off what a provider did otherwise than it was asked.
        by_itself = tuple(each for each in plan.operations if not each.asked.parks)
        plan = replace(plan, operations=by_itself)
        storm = await open_storm(plan, self.client)
        await self._prepare(storm)
        return storm


async def measure_capacity(
    operations: Operations,
    count_unsettled: Callable[[], Awaitable[int]],
    *,
    seconds: float,
    patience_s: float = 60.0,
) -> float:
    """Return how many operations a second come to their end where there is always more to do.

    Args:
        count_unsettled: How many of those that were accepted have not come to their end.
        seconds: How long it is measured.
        patience_s: How much longer, where so few came to their end that it would be chance.

    Raises:
        ProviderUnavailable: None did (`no_capacity`), or the API stayed away.
    """
    begun = answered = 0

    async def make(planned: Planned, storm: Storm) -> None:
        nonlocal answered
        await send(planned, storm, operations.client)
        answered += 1
        await follow_up(planned, storm, operations.client)

    settled: list[tuple[float, int]] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        while not _is_enough(settled, at_s := time.monotonic() - began, seconds, patience_s):
            # Answered before the count: what is answered meanwhile counts the next time.
            done = max(answered - await count_unsettled(), 0)
            if at_s >= seconds * _RAMP:
                settled.append((time.monotonic(), done))
            while begun - done < WINDOW:
                group.create_task(make(*await operations.next()))
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
            "No operation came to its end while the capacity was measured. See the workers' logs.",
            code="no_capacity",
        )
    return _rise(settled) / (settled[-1][0] - settled[0][0])


class OpenLoop:
    """Operations at a steady rate, whatever becomes of those before them."""

    def __init__(self, operations: Operations, rate_per_s: float) -> None:
        self._operations = operations
        self._rate_per_s = rate_per_s
        self._due: dict[str, float] = {}
        self.sent = 0
        """How many were made so far."""

    @property
    def oldest_request_s(self) -> float:
        """How long ago an operation was due that has no answer yet; 0: all have."""
        return time.monotonic() - min(self._due.values()) if self._due else 0.0

    @property
    def requests(self) -> int:
        """How many operations have no answer yet."""
        return len(self._due)

    async def run(self, seconds: float) -> None:
        """Send operations, and return when all requests are answered.

        Raises:
            ProviderUnavailable: The API stayed away.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while (after_s := self.sent / self._rate_per_s) < seconds:
                planned, storm = await self._operations.next()
                await asyncio.sleep(max(began + after_s - time.monotonic(), 0))
                self._due[planned.key] = began + after_s
                group.create_task(self._make(planned, storm))
                self.sent += 1

    async def _make(self, planned: Planned, storm: Storm) -> None:
        try:
            await send(planned, storm, self._operations.client)
        finally:
            del self._due[planned.key]
        await follow_up(planned, storm, self._operations.client)
