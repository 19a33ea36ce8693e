"""How an import goes: a line that is rewritten on a terminal, or a line now and then in a log."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from perdure.core.times import duration
from perdure.operations.model import Status
from perdure.payments.import_outcomes import REJECTED, OutcomeStore

_WATCHED_EVERY_S: Final = 0.5
LOGGED_EVERY_S: Final = 5.0
_RATE_OVER_S: Final = 30.0


@dataclass(slots=True)
class ImportProgress:
    """How far an import is, as its rows' outcomes tell.

    Args:
        bytes_total: The file's size; 0: not known.
        waits: Whether the ends are waited for.
    """

    outcomes: OutcomeStore
    bytes_total: int
    waits: bool
    bytes_read: int = 0
    all_read: bool = False

    @property
    def done(self) -> int:
        """How many rows nothing is left to do for."""
        return self.outcomes.settled.total() if self.waits else self.outcomes.rows

    @property
    def rows_total(self) -> float | None:
        """How many rows the file has: estimated until it is read."""
        if self.all_read:
            return self.outcomes.rows
        if not self.bytes_total or not self.bytes_read:
            return None
        return self.outcomes.rows * self.bytes_total / self.bytes_read

    def describe(self, rows_per_s: float) -> str:
        """Say it in a line."""
        outcomes = self.outcomes
        share = "" if self.all_read or not self.bytes_total else f" ({self._share_read():.0%})"
        parts = [
            f"{outcomes.rows:,} rows read{share}",
            f"{outcomes.accepted:,} accepted",
            f"{outcomes.settled[REJECTED]:,} rejected",
        ]
        if self.waits:
            parts.append(f"{outcomes.ended:,} ended")
        if parked := outcomes.settled[Status.NEEDS_ATTENTION]:
            parts.append(f"{parked:,} need attention")
        parts.append(f"{rows_per_s:,.{0 if rows_per_s >= 10 else 1}f} rows/s")
        total = self.rows_total
        if total is not None and rows_per_s:
            parts.append(f"about {duration((total - self.done) / rows_per_s)} left")
        return ", ".join(parts)

    def _share_read(self) -> float:
        return min(self.bytes_read / self.bytes_total, 1.0)


class ImportDisplay:
    """Shows an import's progress while it goes on.

    Args:
        logged_every_s: How often there is a line, where nobody watches.
    """

    def __init__(self, console: Console, *, logged_every_s: float = LOGGED_EVERY_S) -> None:
        self._console = console
        self._interval_s = _WATCHED_EVERY_S if console.is_terminal else logged_every_s

    @asynccontextmanager
    async def showing(self, progress: ImportProgress) -> AsyncIterator[None]:
        """Show the progress until the context ends."""
        async with AsyncExitStack() as stack:
            line = None
            if self._console.is_terminal:
                line = stack.enter_context(self._console.status("…"))

            def show(text: str) -> None:
                if line is None:
                    self._console.print(text)
                else:
                    line.update(text)

            showing = asyncio.create_task(self._show(progress, show))
            try:
                yield
            finally:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)

    async def _show(self, progress: ImportProgress, show: Callable[[str], None]) -> None:
        looks: deque[tuple[float, int]] = deque(maxlen=int(_RATE_OVER_S / self._interval_s))
        looks.append((time.monotonic(), progress.done))
        while True:
            await asyncio.sleep(self._interval_s)
            looks.append((time.monotonic(), progress.done))
            (first_s, first_done), (last_s, last_done) = looks[0], looks[-1]
            show(progress.describe((last_done - first_done) / (last_s - first_s)))
