"""Permits to call a provider, as one process hands them to its calls.

A provider without a limit costs nothing. With one, the process asks for calls in blocks
(`store.ask`) and hands them out as they fall due, first come, first served.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

import structlog

from perdure.core.errors import (
    PerdureError,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.ids import new_id
from perdure.limits import store
from perdure.limits.model import Ask, BudgetState, Grant, Limit
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

log = structlog.get_logger()

_READ_S: Final = 1.0
"""How old what a process knows of the limits may be before it reads them again."""
_READ_S_MAX: Final = 2 * _READ_S
"""And before its calls wait for that: they come in the hundreds after an hour without any."""
_LATE_S: Final = 0.1
"""A call that was granted and could not begin for so long is given up: calls come evenly."""
_ROOM_MIN: Final = 2
_LINGER_S: Final = 1.0
"""How long a process that has no more calls keeps its part of a budget."""
_ASK_S_MIN: Final = 0.02
"""New calls are not asked for more often than this."""
_LEASE_ASK_S: Final = 3.0
"""A process with calls under way asks at least as often, so that its places stay its own."""

_UNLIMITED: Final = Grant(None, 0, 0, None, _READ_S, BudgetState.OPEN)
"""What is granted where the limit was taken away."""

PermitFor = Callable[[str], AbstractAsyncContextManager[None]]
"""Returns what a step waits for before it calls a provider, and holds while it does."""


class Permits:
    """Given the process's pool; one for each process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._process = new_id("prc")
        self._limits: dict[str, Limit] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def permit(
        self,
        provider: str,
        *,
        is_one_of_many: bool = False,
        wait: Callable[[Awaitable[None]], Awaitable[None]] | None = None,
    ) -> AsyncIterator[None]:
        """Hold a permit for one call to a provider.

        What the call raises tells whether the provider is there, and whether it asked to wait.

        Args:
            is_one_of_many: It is part of a flood: those that are not have every second turn.
            wait: Waits for the permit; what it raises gives up. None: waits as long as it takes.
        """
        queue = await self._queue(provider)
        if queue is None:
            yield
            return
        await queue.acquire(wait, is_one_of_many=is_one_of_many)
        try:
            yield
        except ProviderError as error:
            queue.release(error)
            raise
        except PerdureError:
            # A no is an answer.
            queue.release(None)
            raise
        except BaseException:
            queue.release(None, answered=False)
            raise
        queue.release(None)

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

        return partial(self.permit, wait=wait)

    async def room(self, provider: str) -> None:
        """Wait until a further call to the provider would not wait for long."""
        while (queue := await self._queue(provider)) is not None and not queue.has_room:
            await queue.changed.wait()

    async def _queue(self, provider: str) -> "_Queue | None":
        """Return the queue of a provider that has a limit."""
        await self._read()
        if provider not in self._limits:
            return None
        if provider not in self._queues:
            self._queues[provider] = _Queue(self._pool, provider, self._process)
        return self._queues[provider]

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
        try:
            self._limits = await store.limits(self._pool)
            self._read_at = asyncio.get_running_loop().time()
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


class _Waiters:
    """Calls that wait: each kind first come, first served, and the two kinds in turn."""

    def __init__(self) -> None:
        self._single: deque[asyncio.Future[None]] = deque()
        self._many: deque[asyncio.Future[None]] = deque()
        self._many_next = False

    def __len__(self) -> int:
        return len(self._single) + len(self._many)

    def add(self, call: asyncio.Future[None], *, is_one_of_many: bool) -> None:
        (self._many if is_one_of_many else self._single).append(call)

    def discard(self, call: asyncio.Future[None]) -> None:
        for calls in (self._single, self._many):
            if call in calls:
                calls.remove(call)

    def next(self) -> asyncio.Future[None]:
        takes_many = self._many and (self._many_next or not self._single)
        self._many_next = not takes_many
        return (self._many if takes_many else self._single).popleft()


class _Queue:
    """The calls of one process to one provider."""

    def __init__(self, pool: Pool, provider: str, process: str) -> None:
        self._pool = pool
        self._provider = provider
        self._process = process
        self._waiting = _Waiters()
        self._under_way = 0
        self._begun = 0
        self._due: deque[float] = deque()
        self._is_unmetered = False
        self._at_once: int | None = 0
        self._ask_at = 0.0
        self._asked_at = 0.0
        self._was_granted_all = True
        self._interval_s = 0.0
        self._failures = 0
        self._answered = False
        self._retry_after_s = 0.0
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether a further call would begin within about a second."""
        bounds = [self._at_once] if self._at_once is not None else []
        if self._interval_s:
            bounds.append(int(1 / self._interval_s))
        return len(self._waiting) < max(min(bounds, default=0), _ROOM_MIN)

    async def acquire(
        self,
        wait: Callable[[Awaitable[None]], Awaitable[None]] | None,
        *,
        is_one_of_many: bool,
    ) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(granted, is_one_of_many=is_one_of_many)
        if self._was_granted_all:
            self._ask_at = min(self._ask_at, self._asked_at + _ASK_S_MIN)
        self._stir()
        try:
            self._hand_out()
            if not granted.done():
                await (wait(granted) if wait else granted)
        except BaseException:
            self._give_up(granted)
            raise

    def _give_up(self, granted: "asyncio.Future[None]") -> None:
        if granted.done() and not granted.cancelled():
            self._end()
        else:
            self._waiting.discard(granted)
        self._stir()

    def release(self, error: ProviderError | None, *, answered: bool = True) -> None:
        """Hear how a call went."""
        match error:
            case ProviderRateLimited(retry_after_s=seconds):
                self._retry_after_s = max(self._retry_after_s, seconds)
                self._ask_at = 0.0
            case ProviderUnavailable() | ProviderOutcomeUnknown():
                self._failures += 1
                self._ask_at = 0.0
            case _ if answered:
                self._answered, self._failures = True, 0
        self._end()
        self._stir()

    def _end(self) -> None:
        self._under_way -= 1

    def _stir(self) -> None:
        self._wake.set()
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Ask and hand out, as long as there is a call that waits or is under way."""
        try:
            while await self._has_something_to_do():
                self._wake.clear()
                if self._now() >= self._ask_at:
                    await self._ask()
                self._hand_out()
                await self._sleep(self._next_at())
            await self._ask()
        finally:
            self._runner = None
            self._say_changed()
            if self._waiting:
                self._stir()

    async def _has_something_to_do(self) -> bool:
        if not (self._waiting or self._under_way):
            await self._sleep(self._now() + _LINGER_S)
        return bool(self._waiting or self._under_way)

    async def _ask(self) -> None:
        waiting, granted_before = len(self._waiting), len(self._due)
        ask = Ask(
            waiting,
            self._under_way,
            granted_before,
            self._begun,
            self._failures,
            self._answered,
            self._retry_after_s,
        )
        self._begun = self._failures = 0
        self._answered, self._retry_after_s = False, 0.0
        self._asked_at = self._now()
        try:
            granted = await store.ask(self._pool, self._provider, self._process, ask)
        except Exception as error:  # noqa: BLE001 - without the database no step can be done either
            log.warning("limit_not_asked", provider=self._provider, error=repr(error))
            self._ask_at = self._now() + 1.0
            return
        granted = granted or _UNLIMITED
        all_in_all = granted_before + (granted.calls or 0)
        self._was_granted_all = granted.calls is None or all_in_all >= waiting
        self._take(granted)

    def _take(self, granted: Grant) -> None:
        now = self._now()
        self._at_once = granted.at_once
        self._interval_s = granted.interval_s or self._interval_s
        self._is_unmetered = granted.calls is None
        if self._is_unmetered:
            self._interval_s = 0.0
        if self._is_unmetered or granted.state != BudgetState.OPEN:
            # What was granted before the provider asked to wait is not made use of.
            self._due.clear()
        self._due.extend(
            now + granted.first_in_s + number * granted.interval_s
            for number in range(granted.calls or 0)
        )
        self._ask_at = now + (granted.again_in_s if self._waiting else _LEASE_ASK_S)

    def _hand_out(self) -> None:
        now = self._now()
        while self._due and self._due[0] < now - _LATE_S - self._interval_s:
            self._due.popleft()
        handed = False
        while self._waiting and self._may_begin(now):
            granted = self._waiting.next()
            if granted.done():
                continue
            if not self._is_unmetered:
                self._due.popleft()
            self._under_way += 1
            self._begun += 1
            granted.set_result(None)
            handed = True
        if handed:
            self._say_changed()

    def _may_begin(self, now: float) -> bool:
        is_due = self._is_unmetered or (bool(self._due) and self._due[0] <= now)
        return is_due and self._has_a_place

    @property
    def _has_a_place(self) -> bool:
        return self._at_once is None or self._under_way < self._at_once

    def _next_at(self) -> float:
        is_next = self._waiting and self._due and self._has_a_place
        return min(self._ask_at, self._due[0]) if is_next else self._ask_at

    async def _sleep(self, until: float) -> None:
        """Sleep until a moment, or until something happens."""
        try:
            async with asyncio.timeout_at(max(until, self._now() + 0.001)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _say_changed(self) -> None:
        self.changed.set()
        self.changed.clear()

    def close(self) -> None:
        """Stop handing out."""
        if self._runner is not None:
            self._runner.cancel()
