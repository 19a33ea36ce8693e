"""Hands out a lane's operations to those that carry them out, as they are accepted."""

import asyncio
import time
from collections import deque
from collections.abc import Collection
from datetime import timedelta
from typing import Final, Protocol

from perdure.core.events import first_of
from perdure.core.ids import earlier_id
from perdure.operations.lanes.store import LaneEntry, age_of

_LOOK_AGAIN_S: Final = 0.2
"""For those whose call was lost."""
_COMMITTED_WITHIN: Final = timedelta(seconds=10)
"""An id is given before its commit, so a look begins with the ids of that long before the latest.

Not with the first: what has ended is in the index until the table is vacuumed, and is passed over
one by one.
"""
_FROM_START_EVERY_S: Final = 5.0
"""For what took longer to be committed, or came from a machine whose clock is slow."""


class ReadPage(Protocol):
    """Reads the next open operations of a lane, the oldest first."""

    async def __call__(
        self, *, after_id: str, except_ids: Collection[str], limit: int
    ) -> list[LaneEntry]:
        """Return those from beyond an id, at most `limit`, without these."""
        ...


class LaneSource:
    """Hands out each open operation of a lane once, the oldest first.

    It goes on while operations are under way, and for a while after: what is accepted meanwhile is
    carried out at once, and nobody has to wake the lane for it.

    Args:
        read: Reads what is open in the lane.
        under_way: The ids of those that were handed out and have not ended.
        called: Set when there is more.
        over: Nothing more is handed out.
        page_size: How many are read at a time.
        idle_s: How long it looks for further ones when none is left and none is under way.
    """

    def __init__(
        self,
        read: ReadPage,
        *,
        under_way: Collection[str],
        called: asyncio.Event,
        over: asyncio.Event,
        page_size: int,
        idle_s: float,
    ) -> None:
        self._read = read
        self._under_way = under_way
        self._called = called
        self._over = over
        self._page_size = page_size
        self._idle_s = idle_s
        self._page: deque[LaneEntry] = deque()
        self._after_id = ""
        self._latest_id = ""
        self._from_start_at = 0.0
        self._turn = asyncio.Lock()
        self._is_exhausted = False

    async def next(self) -> LaneEntry | None:
        """Return the next operation, once there is one; None: the lane is empty, or it is over."""
        if not self._page:
            async with self._turn:
                if not self._page and not self._is_exhausted:
                    await self._await_page()
        return self._page.popleft() if self._page else None

    async def _await_page(self) -> None:
        busy_at = time.monotonic()
        while not self._over.is_set():
            # Before it looks: whoever calls from here on may have come too late for this look.
            self._called.clear()
            if await self._turn_page():
                return
            now = time.monotonic()
            if self._under_way:
                busy_at = now
            elif now - busy_at >= self._idle_s:
                break
            await first_of(self._called, self._over, timeout_s=_LOOK_AGAIN_S)
        self._is_exhausted = True

    async def _turn_page(self) -> bool:
        found = await self._page_after(self._after_id or self._first_id())
        if not found and self._after_id:
            found = await self._page_after(self._first_id())
        self._page.extend(found)
        # A page that is not full was the last one.
        self._after_id = found[-1].id if len(found) == self._page_size else ""
        if found:
            self._latest_id = max(self._latest_id, found[-1].id, key=age_of)
        return bool(found)

    def _first_id(self) -> str:
        """Return where a look begins that does not go on from a full page."""
        now = time.monotonic()
        if not self._latest_id or now - self._from_start_at >= _FROM_START_EVERY_S:
            self._from_start_at = now
            return ""
        return earlier_id(self._latest_id, _COMMITTED_WITHIN)

    async def _page_after(self, after_id: str) -> list[LaneEntry]:
        return await self._read(
            after_id=after_id, except_ids=self._under_way, limit=self._page_size
        )
