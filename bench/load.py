"""Pushes sagas at a peer: so many at once, each next one when one is done."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bench.saga import Saga

POLL_S: Final = 0.005
"""How often the client looks which sagas are done; latency is the database's time of the end."""


class Workplace(Protocol):
    """Where sagas are submitted, and their ends seen."""

    async def submit(self, saga: Saga) -> str:
        """Accept a saga, durably, and have it begin; returns the operation's id."""
        ...

    async def finished(self, operation_ids: list[str]) -> dict[str, float]:
        """Return which of these have ended, and when, in seconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it.

    Args:
        wall_s: From the first submission to the last end.
        latencies_ms: One for each saga, from before its submission to its end.
    """

    wall_s: float
    latencies_ms: list[float]

    @property
    def operations_per_s(self) -> float:
        """How many ended a second."""
        return len(self.latencies_ms) / self.wall_s


async def drive(
    place: Workplace, work: Sequence[Saga], *, concurrency: int, timeout_s: float
) -> Load:
    """Carry out all of the work, `concurrency` at a time.

    Raises:
        ExceptionGroup: A submission failed.
        TimeoutError: It is not done within `timeout_s`.
    """
    began_s = time.time()
    watch = _Watch(place)
    queue = list(reversed(work))
    latencies_ms: list[float] = []
    ends_s: list[float] = []

    async def one_after_another() -> None:
        while queue:
            saga = queue.pop()
            submitted_s = time.time()
            ended_s = await watch.end_of(await place.submit(saga))
            ends_s.append(ended_s)
            latencies_ms.append((ended_s - submitted_s) * 1000)

    async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as watchers:
        watching = watchers.create_task(watch.run())
        async with asyncio.TaskGroup() as clients:
            for _ in range(min(concurrency, len(work))):
                clients.create_task(one_after_another())
        watching.cancel()
    return Load(max(ends_s) - began_s, latencies_ms)


class _Watch:
    """Asks which of the open sagas are done."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._open: dict[str, asyncio.Future[float]] = {}

    async def end_of(self, operation_id: str) -> float:
        """Wait for an operation's end; returns when it was, in seconds since the epoch."""
        end: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._open[operation_id] = end
        return await end

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self._open:
                ended = await self._place.finished(list(self._open))
                for operation_id, ended_s in ended.items():
                    self._open.pop(operation_id).set_result(ended_s)
            await asyncio.sleep(POLL_S)
