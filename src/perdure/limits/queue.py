"""The calls of one process to one provider: which begin when, and how they end.

A provider that is well and has no limit costs nothing: its calls begin at once, and nobody is told
how they end. Otherwise the process asks for calls in blocks (`store.ask`), tells with that how
those that ended did, and hands out what it is granted, first come, first served.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from perdure.core.errors import (
    ProviderError,
    ProviderNotCalled,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.limits import store
from perdure.limits.model import Ask, Budget, BudgetState, Grant, Heard, Limit
from perdure.limits.rules import FAILURES_MAX, is_troubled, state_of
from perdure.storage.pool import Pool

log = structlog.get_logger()

_LATE_S: Final = 0.1
"""A call that was granted and could not begin for so long is given up: calls come evenly."""
_ROOM_MIN: Final = 2
"""So many wait in a process for a provider that is away, so that one of them is the next probe."""
_LINGER_S: Final = 1.0
"""How long a process that has no more calls keeps its part of a budget."""
_ASK_S_MIN: Final = 0.02
"""New calls are not asked for more often than this."""
_TELL_S: Final = 1.0
"""How often a process tells how calls end, while some fail."""
_LATELY_S: Final = 10.0
"""What a process tells when calls begin to fail reaches back so far."""
_LEASE_ASK_S: Final = 3.0
"""A process with calls under way asks at least as often, so that its places stay its own."""

Wait = Callable[[Awaitable[None]], Awaitable[None]]
"""Waits for a call's turn; what it raises gives up."""


@dataclass(slots=True)
class _Tally:
    """How calls of one sort ended that nobody was told of yet."""

    since: float
    answered: int = 0
    failed: int = 0
    answered_at: float | None = None
    is_failing: bool = False


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


class ProviderQueue:
    """The calls of one process to one provider."""

    def __init__(self, pool: Pool, provider: str, process: str) -> None:
        self._pool = pool
        self._provider = provider
        self._process = process
        self._limit = Limit(provider)
        self._state = BudgetState.OPEN
        self._is_troubled = False
        self._waiting = _Waiters()
        self._under_way = 0
        self._begun = 0
        self._due: deque[float] = deque()
        self._is_unmetered = False
        self._at_once: int | None = 0
        self._ask_at = 0.0
        self._asked_at = float("-inf")
        self._holds = False
        self._was_granted_all = True
        self._interval_s = 0.0
        self._failures = 0
        self._failures_here = 0
        self._answered = False
        self._asked_wait_s = 0.0
        self._tallies: dict[str, _Tally] = {}
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._is_over = False
        self.changed = asyncio.Event()

    def read(self, limit: Limit, budget: Budget, *, now: float, began_at: float) -> None:
        """Take what the database says, unless it was asked since.

        Args:
            now: The database's moment.
            began_at: When the reading began.
        """
        self._limit = limit
        if self._asked_at >= began_at:
            return
        was_closed = self.is_closed
        self._state, self._is_troubled = state_of(budget, now), is_troubled(budget, now)
        if was_closed and not self.is_closed and self._waiting:
            self._ask_at = 0.0
            self._stir()

    @property
    def is_at_ease(self) -> bool:
        """Whether calls begin as they come, and nobody is told of them."""
        return self._limit.is_none and not self._is_troubled and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether the provider is not called now, but to see whether it is back."""
        return self._state != BudgetState.OPEN

    @property
    def is_away(self) -> bool:
        """Whether the provider gives nobody an answer, as far as this process knows."""
        return self.is_closed or self._failures_here >= FAILURES_MAX

    def fails_all_with(self, error: ProviderError) -> bool:
        """Whether what a call has just ended with is what all others get as well."""
        return bool(error.asked_wait_s) or self.is_away

    @property
    def has_room(self) -> bool:
        """Whether a further call would begin within about a second."""
        bounds = [self._at_once] if self._at_once is not None else []
        if self._interval_s:
            bounds.append(int(1 / self._interval_s))
        return len(self._waiting) < max(min(bounds, default=0), _ROOM_MIN)

    async def acquire(
        self,
        wait: Wait | None,
        *,
        is_one_of_many: bool,
    ) -> None:
        """Wait for a call's turn.

        Raises:
            ProviderNotCalled: The provider is away, and enough calls wait for the next probe.
        """
        if self.is_at_ease:
            self._under_way += 1
            return
        if self.is_closed and not is_one_of_many and len(self._waiting) >= _ROOM_MIN:
            raise ProviderNotCalled(f"{self._provider} is not called now; nothing was done.")
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

    def release(self, work: str, error: ProviderError | None, *, was_asked: bool = True) -> None:
        """Hear how a call ended.

        Args:
            work: What was done there.
            error: None: it was answered, be it with a no.
            was_asked: How it ended says something of the provider.
        """
        if error is not None and error.asked_wait_s:
            self._asked_wait_s = max(self._asked_wait_s, error.asked_wait_s)
            self._ask_at = 0.0
        if was_asked:
            self._note(work, error)
        self._end()
        if not self.is_at_ease or self._has_news:
            self._stir()

    def _note(self, work: str, error: ProviderError | None) -> None:
        now = self._now()
        tally = self._tallies.get(work)
        if tally is None or (self.is_at_ease and now - tally.since > _LATELY_S):
            tally = self._tallies[work] = _Tally(now)
        if error is None:
            self._answered, self._failures, self._failures_here = True, 0, 0
            tally.answered += 1
            tally.answered_at, tally.is_failing = now, False
            if self.is_closed:
                self._ask_at = 0.0
        elif isinstance(error, ProviderUnavailable | ProviderOutcomeUnknown):
            self._failures += 1
            self._failures_here += 1
            tally.failed += 1
            tally.is_failing = True
            self._ask_at = 0.0
        if self._is_troubled:
            self._ask_at = min(self._ask_at, self._asked_at + _TELL_S)

    def _end(self) -> None:
        self._under_way -= 1

    def _stir(self) -> None:
        self._wake.set()
        if self._runner is None and not self._is_over:
            self._runner = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Ask, tell and hand out, as long as there is something to ask for or to tell."""
        try:
            while await self._has_something_to_do():
                self._wake.clear()
                if self._now() >= self._ask_at:
                    await self._ask()
                self._hand_out()
                await self._sleep(self._next_at())
            if self._holds:
                await self._ask()
        finally:
            self._runner = None
            self._say_changed()
            if self._waiting:
                self._stir()

    async def _has_something_to_do(self) -> bool:
        if not self._is_busy and not self.is_at_ease:
            await self._sleep(self._now() + _LINGER_S)
        return self._is_busy

    @property
    def _is_busy(self) -> bool:
        if self._waiting or self._has_news:
            return True
        return bool(self._under_way) and not self._limit.is_none

    @property
    def _has_news(self) -> bool:
        if self._failures or self._asked_wait_s:
            return True
        return not self.is_at_ease and bool(self._tallies)

    async def _ask(self) -> None:
        waiting, granted_before = len(self._waiting), len(self._due)
        ask = self._what_to_ask(waiting, granted_before)
        self._begun = self._failures = 0
        self._answered, self._asked_wait_s = False, 0.0
        tallies, self._tallies = self._tallies, {}
        self._holds = bool(waiting or self._under_way)
        self._asked_at = self._now()
        try:
            granted = await store.ask(self._pool, self._provider, self._process, ask)
        except Exception as error:  # noqa: BLE001 - without the database no step can be done either
            log.warning("limit_not_asked", provider=self._provider, error=repr(error))
            self._failures += ask.failures
            self._asked_wait_s = max(self._asked_wait_s, ask.retry_after_s)
            self._tallies = tallies | self._tallies
            self._ask_at = self._now() + 1.0
            return
        all_in_all = granted_before + (granted.calls or 0)
        self._was_granted_all = granted.calls is None or all_in_all >= waiting
        self._take(granted)

    def _what_to_ask(self, waiting: int, granted_before: int) -> Ask:
        now = self._now()
        return Ask(
            waiting,
            self._under_way,
            granted_before,
            self._begun,
            self._failures,
            self._answered,
            self._asked_wait_s,
            {
                work: Heard(
                    tally.answered,
                    tally.failed,
                    None if tally.answered_at is None else now - tally.answered_at,
                    tally.is_failing,
                )
                for work, tally in self._tallies.items()
            },
        )

    def _take(self, granted: Grant) -> None:
        now = self._now()
        self._state, self._is_troubled = granted.state, granted.is_troubled
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
        """Stop handing out, for good: whoever asks then waits, and what ends is told nobody."""
        self._is_over = True
        if self._runner is not None:
            self._runner.cancel()
