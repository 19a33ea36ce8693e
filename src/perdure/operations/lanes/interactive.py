"""What somebody waits for, carried out in the operations worker itself: its interactive lane.

Each worker drives the lanes that are its own, as one. An operation in one is at its end within
milliseconds, or has a workflow of its own: it is promoted as soon as it would have to wait.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from perdure.core.gears import Gear
from perdure.core.telemetry import telemetry
from perdure.operations.lanes import store as lanes
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.lanes.ownership import Claims, RowClaims, SessionClaims
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.store import LaneEntry, interactive_lanes
from perdure.operations.lanes.work import LaneLimits, Stretch
from perdure.operations.lanes.workers import Told
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

log = structlog.get_logger()

LOOK_S: Final = 0.25
"""How often a worker looks whether a lane is free, or another worker has come."""
_BEAT_S: Final = 1.0
"""The same where a look writes a row."""
_ENDS_SOON_S: Final = 0.3
"""How long what is under way in a lane that is left is waited for: most ends in a tenth of it."""
_ENDS_S_MAX: Final = 5.0
"""How long a worker that stops finishes what it has under way."""
_AGAIN_S: Final = 0.5
_ANSWERS_S_MAX: Final = 5.0
"""A session that has not answered for so long is taken to be lost."""


def interactive_limits(at_once: int) -> LaneLimits:
    """Return how much of the interactive lanes a worker takes at a time."""
    return LaneLimits(
        at_once=at_once,
        # One that waits for its confirmation costs a row in a look that all of them share.
        aside_max=10 * at_once,
        # A call that is cut short would have to be waited out: its own time-out is first.
        operation_s=40.0,
        idle_s=float("inf"),
        waits_s=3.0,
        is_interactive=True,
    )


def beyond_its_share(page: Sequence[LaneEntry]) -> list[LaneEntry]:
    """Return what is of one customer in a full page beyond a quarter of it, if more than half is.

    That many are a flood, though they were sent one by one.
    """
    if not page:
        return []
    [(customer_id, count)] = Counter(one.customer_id for one in page).most_common(1)
    of_customer = [one for one in page if one.customer_id == customer_id]
    return of_customer[len(page) // 4 :] if count > len(page) // 2 else []


class Flood(Protocol):
    """The lanes for floods, as far as an interactive lane needs them."""

    def lane_of(self, kind: str, given: Mapping[str, Any]) -> int:
        """Return the lane of an operation, given its input."""
        ...

    async def call(self, kind: str, number: int) -> None:
        """Have a lane run, and hear that there is more."""
        ...


class InteractiveLane:
    """Drives the interactive lanes that are this worker's.

    Args:
        runner: Carries out what is in them, with `interactive_limits`.
        listener: Hears of what is accepted.
        flood: Where one of so many of one customer goes that they would hold up the others'.
        takes_part: Whether the lanes are shared with this worker too, as it is now.
    """

    def __init__(
        self,
        pool: Pool,
        runner: LaneRunner,
        listener: LaneListener,
        flood: Flood,
        *,
        takes_part: Callable[[], bool] = lambda: True,
    ) -> None:
        self._pool = pool
        self._runner = runner
        self._listener = listener
        self._flood = flood
        self._takes_part = takes_part
        self._claims: Claims | None = None
        self._rows = RowClaims(pool)
        self._mine: frozenset[int] = frozenset()
        self._has_taken = False

    @property
    def mine(self) -> frozenset[int]:
        """The lanes that this worker reads now."""
        return self._mine

    async def run(self, stop: asyncio.Event) -> None:
        """Drive what is this worker's until told to stop; then another's it is, at once."""
        stretch = Stretch(over=stop)
        with self._listener.hear_any(
            (Gear.INTERACTIVE, lane) for lane in interactive_lanes()
        ) as called:
            driving = asyncio.create_task(self._drive(stretch, called))
            sharing = asyncio.create_task(self._share(called))
            telling = asyncio.create_task(self._tell(stretch))
            try:
                await stop.wait()
                self._mine = frozenset()
                await asyncio.wait([driving], timeout=_ENDS_SOON_S)
                sharing.cancel()
                await asyncio.gather(sharing, return_exceptions=True)
                await self._leave_all()
                await asyncio.wait([driving], timeout=_ENDS_S_MAX)
            finally:
                tasks = (driving, sharing, telling)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        log.info("interactive_lane_left", done=stretch.done, promoted=stretch.promoted)

    async def _drive(self, stretch: Stretch, called: asyncio.Event) -> None:
        while not stretch.over.is_set():
            try:
                await self._runner.drive(self._page, called, stretch)
            except Exception as error:
                # What was under way is as it was left, and is read again.
                if not is_outage(error):
                    log.exception("interactive_lane_failed")
                    telemetry().report(error, "interactive_lane")
                else:
                    log.warning("interactive_lane_waits", error=repr(error))
                await asyncio.sleep(_AGAIN_S)

    async def _page(
        self, *, after_id: str, except_ids: Collection[str], limit: int
    ) -> list[LaneEntry]:
        if not self._mine:
            return []
        if self._has_taken:
            # What is in a lane that was another's may be older than what was found last.
            after_id, self._has_taken = "", False
        page = await lanes.interactive_page(
            self._pool, sorted(self._mine), after_id=after_id, except_ids=except_ids, limit=limit
        )
        many = beyond_its_share(page) if len(page) == limit else []
        if many:
            numbers = {one.id: self._flood.lane_of(one.kind, one.input) for one in many}
            for kind, number in await lanes.join_flood(self._pool, numbers):
                await self._flood.call(kind, number)
        return [one for one in page if one not in many]

    async def _share(self, called: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(_ANSWERS_S_MAX):
                    await self._share_once(called)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                # Whoever has them now: this worker does not know of any.
                self._mine = frozenset()
                self._listener.reconnect()
                log.warning("interactive_lanes_not_held", error=repr(error))
                telemetry().report(error, "interactive_lanes_share")
            await asyncio.sleep(_BEAT_S if self._listener.is_pooled else LOOK_S)

    async def _tell(self, stretch: Stretch) -> None:
        """Tell people, each second, what this worker has and does."""
        told = Told(self._pool, stretch.lately)
        try:
            while True:
                with suppress(Exception):
                    await told.tell(self._mine, len(stretch.under_way))
                await asyncio.sleep(_BEAT_S)
        finally:
            with suppress(Exception):
                await told.end()

    async def _share_once(self, called: asyncio.Event) -> None:
        if (claims := self._claims_now()) is None:
            self._mine = frozenset()
            return
        if not self._takes_part():
            if self._mine:
                await self._leave(claims, self._mine)
            # Each time: a session that says nothing would be ended.
            await claims.end()
            return
        holding = await claims.holding()
        if to_take := holding.to_take:
            await claims.take(to_take)
            holding = await claims.holding()
        if holding.to_leave:
            await self._leave(claims, holding.to_leave)
            holding = await claims.holding()
        if taken := holding.mine - self._mine:
            log.info("interactive_lanes_taken", lanes=sorted(taken), workers=holding.members)
            self._has_taken = True
        self._mine = holding.mine
        if taken:
            called.set()

    async def _leave(self, claims: Claims, left: Iterable[int]) -> None:
        self._mine -= frozenset(left)
        await asyncio.sleep(_ENDS_SOON_S)
        await claims.leave(left)

    async def _leave_all(self) -> None:
        try:
            if self._claims is not None:
                await self._claims.end()
        except Exception as error:  # noqa: BLE001 - its session's end leaves them too
            log.warning("interactive_lanes_not_left", error=repr(error))

    def _claims_now(self) -> Claims | None:
        """Return how lanes are held now; None: the session is lost, and with it all lanes."""
        if self._listener.is_pooled:
            self._claims = self._rows
        elif (session := self._listener.session) is None:
            self._claims = None
        elif not isinstance(self._claims, SessionClaims) or not self._claims.is_of(session):
            self._claims = SessionClaims(session)
        return self._claims
