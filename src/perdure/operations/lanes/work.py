"""One worker's work on a lane: what is under way at a time, each to its end or out of the lane."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from perdure.core.gears import Gear
from perdure.core.metrics import Counter
from perdure.core.telemetry import telemetry
from perdure.operations.joined import joined
from perdure.operations.lanes.source import LaneSource
from perdure.operations.lanes.steps import AtProvider, Postponed, Promoted, StretchOver
from perdure.operations.lanes.store import LaneEntry
from perdure.operations.lanes.workers import LastMinute
from perdure.storage.outages import is_away, is_outage

log = structlog.get_logger()

_PAUSE_S_MIN: Final = 0.5
_PAUSE_S_MAX: Final = 30.0
_TRIES_MAX: Final = 5
"""How often a lane meets a provider that is away with one operation before it is promoted."""

LEFT: Final = Counter(
    "perdure_lane_operations_left",
    "Operations that left a lane: at their end (done), for their own workflow (promoted), or for"
    " the next stretch (left).",
    *("kind", "gear", "outcome"),
)

LaneProcess = Callable[[str, dict[str, Any]], Awaitable[object]]
"""Carries one operation (id, input) through its steps.

Raises `Promoted` and `Postponed`, as `lane_step` does. Waits for the outside `aside`.
"""

_work: ContextVar["Work | None"] = ContextVar("lane_work", default=None)
_clock: ContextVar["_Clock"] = ContextVar("lane_clock")


def aside() -> AbstractContextManager[None]:
    """Let another operation have this one's place in the lane while this one waits."""
    work = _work.get()
    return work.aside() if work else nullcontext()


def current_work() -> "Work":
    """Return the work that what runs here is part of."""
    work = _work.get()
    assert work is not None, "this is for what runs in a lane"
    return work


def waits_at_most(within_s: float) -> float:
    """Return how long an operation may wait for the outside, given how long it would."""
    work = _work.get()
    return min(within_s, work.limits.waits_s) if work else within_s


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much of a lane is taken at a time.

    Args:
        at_once: Operations under way, beside those that wait for the outside.
        aside_max: Operations that wait for the outside; more than these keep their places.
        stretch_s: How long a stretch takes new ones on, in seconds.
        operation_s: An operation that takes longer is promoted.
        idle_s: How long a stretch goes on when nothing is left, in seconds.
        waits_s: How long an operation waits for the outside, once it has been called, in seconds.
        is_interactive: What would wait for a provider to be called is promoted.
    """

    at_once: int = 200
    aside_max: int = 200
    stretch_s: float = 60.0
    operation_s: float = 60.0
    idle_s: float = 0.0
    waits_s: float = math.inf
    is_interactive: bool = False


@dataclass(slots=True)
class Stretch:
    """One stretch of a lane, as it goes.

    Attributes:
        lately: What ended and what left in the last minute.
        under_way: The ids of the operations that are being carried out.
        over: No further ones are begun: its time is over, or its worker is about to stop.
    """

    done: int = 0
    promoted: int = 0
    lately: LastMinute = field(default_factory=LastMinute)
    under_way: set[str] = field(default_factory=set)
    is_empty: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class _Clock:
    """The time that one operation may take; it stands still while some part of it is stopped."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._stops = 0
        self._left_s = 0.0

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock."""
        loop = asyncio.get_running_loop()
        if not self._stops:
            self._left_s = (self._timeout.when() or loop.time()) - loop.time()
            self._timeout.reschedule(None)
        self._stops += 1
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops:
                self._timeout.reschedule(loop.time() + self._left_s)


class Lane(Protocol):
    """What is driven."""

    @property
    def limits(self) -> LaneLimits:
        """How much is taken at a time."""
        ...

    async def carry_out(self, entry: LaneEntry) -> None:
        """Carry an operation through its steps; raises what a `LaneProcess` does."""
        ...

    async def promote(self, operation_ids: Sequence[str], reason: str) -> int:
        """Give operations workflows of their own; returns how many were in a lane still."""
        ...

    async def wait(self, operation_id: str, at: AtProvider | None) -> str | None:
        """Note that an operation waits for a provider; returns why it waits no longer."""
        ...


class Work:
    """What the runners of one stretch share."""

    def __init__(
        self,
        lane: Lane,
        source: LaneSource,
        stretch: Stretch,
        runners: asyncio.TaskGroup,
    ) -> None:
        self._lane = lane
        self._source = source
        self._stretch = stretch
        self._runners = runners
        self._aside = 0
        self._places_taken_back = 0
        self._pause_until = 0.0
        self._pause_s = _PAUSE_S_MIN

    @property
    def limits(self) -> LaneLimits:
        """How much is taken at a time."""
        return self._lane.limits

    @property
    def is_interactive(self) -> bool:
        """Whether somebody waits for what is in the lane: then it waits for nobody."""
        return self.limits.is_interactive

    async def run(self) -> None:
        """Carry out one operation after the other."""
        _work.set(self)
        while self._goes_on() and (entry := await self._source.next()):
            self._stretch.under_way.add(entry.id)
            try:
                await self._carry_out(entry)
            finally:
                self._stretch.under_way.discard(entry.id)

    def _goes_on(self) -> bool:
        if self._places_taken_back:
            self._places_taken_back -= 1
            return False
        return not self._stretch.over.is_set()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Have a further runner as long as this one waits; then the first that is free ends."""
        if self._aside >= self.limits.aside_max:
            yield
            return
        self._aside += 1
        self._runners.create_task(self.run())
        try:
            yield
        finally:
            self._aside -= 1
            self._places_taken_back += 1

    async def has_its_turn(self, granted: Awaitable[None]) -> bool:
        """Wait for a provider's permit, as long as the stretch lasts; False: it ended first.

        The operation's own time stands still meanwhile: it is not the one that is slow.
        """
        # This may take long, and what was done so far is not to wait for it.
        await joined().write()
        over = asyncio.ensure_future(self._stretch.over.wait())
        permit = asyncio.ensure_future(granted)
        try:
            with _clock.get().stopped():
                await asyncio.wait({permit, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        return permit.done()

    async def _carry_out(self, entry: LaneEntry) -> None:
        structlog.contextvars.bind_contextvars(operation_id=entry.id)
        facts = {"operation_id": entry.id, "kind": entry.kind}
        with (
            telemetry().following(entry.traceparent),
            telemetry().span(f"lane:{entry.kind}", facts) as span,
        ):
            outcome = await self._to_its_end(entry)
            span.note({"outcome": outcome})
        gear = Gear.INTERACTIVE if self.is_interactive else Gear.FLOOD
        LEFT.add(kind=entry.kind, gear=gear, outcome=outcome)

    async def _to_its_end(self, entry: LaneEntry) -> str:
        """Carry an operation to its end here, or out of the lane; returns what became of it."""
        tries, reason = 0, ""
        while tries < _TRIES_MAX:
            await self._wait_out_the_pause()
            tries += 1
            try:
                await self._attempt(entry)
            except StretchOver:
                return "left"
            except Promoted as promoted:
                reason = promoted.reason
                break
            except Postponed as postponed:
                self._pause(postponed)
                reason = postponed.reason
                # Where nobody gets through it was no try.
                tries -= postponed.is_for_all
            except Exception as error:
                if not is_outage(error) or is_away(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
            else:
                self._stretch.done += 1
                self._stretch.lately.add()
                self._pause_s = _PAUSE_S_MIN
                return "done"
        # Added to after the wait: others add to it meanwhile.
        promoted_count = await self._lane.promote([entry.id], reason)
        self._stretch.promoted += promoted_count
        if promoted_count:
            self._stretch.lately.add(reason.replace(entry.id, "its reference"))
        return "promoted"

    async def _attempt(self, entry: LaneEntry) -> None:
        """Carry an operation through its steps.

        Raises:
            Promoted, Postponed, StretchOver: It cannot go on here, not now, not in this stretch.
        """
        try:
            async with asyncio.timeout(self.limits.operation_s) as timeout:
                _clock.set(_Clock(timeout))
                await self._lane.carry_out(entry)
        except (Postponed, StretchOver) as waits:
            if self.is_interactive:
                raise Promoted(str(waits)) from waits
            if not waits.is_for_all:
                raise
            if gives_up := await self._lane.wait(entry.id, waits.at):
                raise Promoted(gives_up) from waits
            if self._stretch.over.is_set():
                raise StretchOver from waits
            raise
        except Promoted:
            raise
        except TimeoutError as error:
            raise Promoted(f"It took longer than {self.limits.operation_s:g} s.") from error
        except Exception as error:
            if is_outage(error):
                raise
            # Its own workflow shows what is wrong with it.
            raise Promoted(f"{type(error).__name__}: {error}") from error

    async def _wait_out_the_pause(self) -> None:
        await asyncio.sleep(max(self._pause_until - time.monotonic(), 0))

    def _pause(self, postponed: Postponed) -> None:
        """Have the whole lane wait: what is away for one is away for all."""
        now = time.monotonic()
        if now < self._pause_until:
            return
        if postponed.is_for_all:
            # The next calls wait for their turn, which comes when the provider is back.
            self._pause_until = now + _PAUSE_S_MIN
            return
        self._pause_until = now + min(postponed.retry_after_s or self._pause_s, _PAUSE_S_MAX)
        self._pause_s = min(self._pause_s * 2, _PAUSE_S_MAX)
        log.warning("lane_paused", reason=postponed.reason)
