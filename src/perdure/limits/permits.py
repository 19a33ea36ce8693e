"""Permits to call a provider, as one process hands them to its calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog

from perdure.core.errors import (
    InvalidInput,
    NotFound,
    OperationCancelled,
    PerdureError,
    ProviderError,
    ProviderNotCalled,
    ProviderRateLimited,
    Refused,
)
from perdure.core.ids import new_id
from perdure.core.turns import Permit
from perdure.limits import store
from perdure.limits.model import Budget, Limit
from perdure.limits.queue import ProviderQueue, Wait
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

log = structlog.get_logger()

_READ_S: Final = 1.0
"""How old what a process knows of the limits may be before it reads them again."""
_READ_S_MAX: Final = 2 * _READ_S
"""And before its calls wait for that: they come in the hundreds after an hour without any."""
_LOOK_S: Final = 0.05
"""A worker takes a task of a provider that is away as often as this, to see what becomes of it."""

PermitFor = Callable[[str], AbstractAsyncContextManager[Permit]]
"""Returns what a step waits for before it calls a provider, and holds while it does."""


class Permits:
    """Given the process's pool; one for each process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._process = new_id("prc")
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._queues: dict[str, ProviderQueue] = {}
        self._known: dict[str, tuple[Limit, Budget, float]] = {}

    @asynccontextmanager
    async def permit(
        self,
        provider: str,
        *,
        is_one_of_many: bool = False,
        wait: Wait | None = None,
    ) -> AsyncIterator[Permit]:
        """Hold a permit for one call to a provider.

        What the call raises tells whether the provider is there, and whether it asked to wait.

        Args:
            is_one_of_many: It is part of a flood: those that are not have every second turn.
            wait: Waits for the permit; what it raises gives up. None: waits as long as it takes.

        Raises:
            ProviderNotCalled: The provider is away, or asked to wait; nothing was done.
        """
        queue = await self._queue(provider)
        await queue.acquire(wait, is_one_of_many=is_one_of_many)
        permit, error, was_asked = Permit(), None, False
        try:
            yield permit
            was_asked = True
        except ProviderError as raised:
            error, was_asked = raised, raised.is_of_the_provider
            raised.nobody_gets_through = queue.fails_all_with(raised)
            raise
        except PerdureError as raised:
            # A no is an answer; what we ourselves refused says nothing of the provider.
            is_no = isinstance(raised, Refused | InvalidInput | NotFound)
            was_asked = is_no and not isinstance(raised, OperationCancelled)
            raise
        finally:
            queue.release(permit.work, error, was_asked=was_asked and permit.is_used)

    def within(self, wait_s: float) -> PermitFor:
        """Return what gives permits that are there soon.

        They raise `ProviderRateLimited` where it takes longer than `wait_s` seconds.
        """

        async def wait(granted: Awaitable[None]) -> None:
            try:
                async with asyncio.timeout(wait_s):
                    await granted
            except TimeoutError:
                raise ProviderRateLimited("The limit leaves no room now.") from None

        @asynccontextmanager
        async def permit(provider: str) -> AsyncIterator[Permit]:
            if await self.is_closed(provider):
                raise ProviderNotCalled(f"{provider} is not called now; nothing was done.")
            async with self.permit(provider, wait=wait) as held:
                yield held

        return permit

    async def room(self, provider: str) -> None:
        """Wait until a further call to the provider would not wait for long.

        What is to be done at one that is away comes through as well, one after the other, so that
        it is said to wait, and given up when it has waited for too long.
        """
        while not (queue := await self._queue(provider)).has_room:
            if queue.is_closed:
                await asyncio.sleep(_LOOK_S)
                return
            await queue.changed.wait()

    async def is_closed(self, provider: str) -> bool:
        """Whether a provider is not called now, but to see whether it is back."""
        return (await self._queue(provider)).is_closed

    def is_away(self, provider: str) -> bool:
        """Whether a provider gives nobody an answer, as far as this process knows."""
        queue = self._queues.get(provider)
        return queue is not None and queue.is_away

    async def _queue(self, provider: str) -> ProviderQueue:
        await self._read()
        queue = self._queues.get(provider)
        if queue is None:
            queue = self._queues[provider] = ProviderQueue(self._pool, provider, self._process)
            self._tell(queue, provider, began_at=self._read_at)
        return queue

    def _tell(self, queue: ProviderQueue, provider: str, *, began_at: float) -> None:
        limit, budget, now = self._known.get(provider, (Limit(provider), Budget(), 0.0))
        queue.read(limit, budget, now=now, began_at=began_at)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        age_s = loop.time() - self._read_at
        if age_s < _READ_S:
            return
        if self._reading is None:
            self._reading = loop.create_task(self._read_limits())
        if age_s > _READ_S_MAX:
            await asyncio.shield(self._reading)

    async def _read_limits(self) -> None:
        began_at = asyncio.get_running_loop().time()
        try:
            self._known = await store.budgets(self._pool)
            self._read_at = asyncio.get_running_loop().time()
            for provider, queue in self._queues.items():
                self._tell(queue, provider, began_at=began_at)
        except Exception as error:  # noqa: BLE001 - the last known limits are kept meanwhile
            log.warning("limits_not_read", error=repr(error))
        finally:
            self._reading = None

    async def close(self) -> None:
        """Give back what is held."""
        for queue in self._queues.values():
            queue.close()
        if self._queues:
            try:
                await store.forget(self._pool, self._process)
            except Exception as error:
                if not is_outage(error):
                    raise
