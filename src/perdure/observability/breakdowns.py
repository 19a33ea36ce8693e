"""Tells Sentry of each operation that broke down, once.

The commit in which it does leaves a row (`operations.breakdowns`), whatever ran it: a lane, its
own workflow, the janitor. Here the row becomes an event with an id of its own, and is deleted when
Sentry has taken it. Who dies between the two has it sent again: under the same id, which Sentry
takes once.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from perdure.core.telemetry import telemetry
from perdure.observability.events import breakdown_event
from perdure.operations.breakdowns import taken
from perdure.storage.pool import Pool

log = structlog.get_logger()

_LOOK_S: Final = 1.0
_AGAIN_S: Final = 10.0
_BATCH: Final = 50
"""Fewer than Sentry's library queues."""

Send = Callable[[Sequence[dict[str, Any]]], bool]
"""Sends events; False: not all are known to have arrived."""


class BreakdownReports:
    """Reports breakdowns from an operations worker; several take turns.

    Args:
        send: Blocks until they have arrived.
    """

    def __init__(self, pool: Pool, send: Send) -> None:
        self._pool = pool
        self._send = send

    async def run(self, stop: asyncio.Event) -> None:
        """Report what breaks down, until told to stop."""
        while not stop.is_set():
            wait_s = _LOOK_S
            try:
                while await self.report() == _BATCH and not stop.is_set():
                    pass
            except Exception as error:  # noqa: BLE001 - it is kept, and tried again
                log.warning("breakdowns_not_reported", error=repr(error))
                telemetry().report(error, "breakdown_reports")
                wait_s = _AGAIN_S
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)

    async def report(self) -> int:
        """Report some; returns how many.

        Raises:
            NotTaken: Sentry did not take all; they are reported again.
        """
        async with taken(self._pool, limit=_BATCH) as found:
            if found:
                events = [breakdown_event(one) for one in found]
                if not await asyncio.to_thread(self._send, events):
                    raise NotTaken(f"Sentry did not take all of {len(events)} events.")
        return len(found)


class NotTaken(OSError):
    """Sentry is away, or asked to wait."""
