"""How a bulk goes: a line that is rewritten on a terminal, or a line now and then in a log."""

import asyncio
import time
from collections import deque
from contextlib import ExitStack
from typing import Final

from rich.console import Console

from perdure.cli.import_progress import duration
from perdure.operations.bulk.model import Bulk, BulkProgress
from perdure.operations.bulk.service import BulkService

_WATCHED_EVERY_S: Final = 0.5
_LOGGED_EVERY_S: Final = 5.0
_RATE_OVER_S: Final = 30.0


def describe(bulk: Bulk, progress: BulkProgress, per_second: float) -> str:
    """Say how far a bulk is, in a line."""
    if bulk.selected_at is None:
        return f"{bulk.selected:,} of {bulk.counted:,} selected"
    ended = ended_of(progress)
    parts = [f"{ended:,} of {bulk.selected:,}", f"{progress.done:,} done"]
    rest = {"refused": progress.refused, "failed": progress.failed, "skipped": progress.skipped}
    parts += [f"{count:,} {name}" for name, count in rest.items() if count]
    if bulk.operation.park_request is not None:
        parts.append(f"paused by {bulk.operation.park_request.actor}")
    elif progress.pending:
        parts.append(f"{per_second:,.{0 if per_second >= 10 else 1}f}/s")
        if per_second:
            parts.append(f"about {duration(progress.pending / per_second)} left")
    return ", ".join(parts)


def ended_of(progress: BulkProgress) -> int:
    """Return how many operations nothing is left to do for."""
    return progress.done + progress.refused + progress.failed + progress.skipped


async def watch(bulks: BulkService, bulk_id: str, console: Console) -> tuple[Bulk, BulkProgress]:
    """Show a bulk's progress until it has ended; returns how it ended."""
    interval_s = _WATCHED_EVERY_S if console.is_terminal else _LOGGED_EVERY_S
    looks: deque[tuple[float, int]] = deque(maxlen=int(_RATE_OVER_S / interval_s))
    with ExitStack() as stack:
        line = stack.enter_context(console.status("…")) if console.is_terminal else None
        shown_s = float("-inf")
        while True:
            bulk, progress = await bulks.get(bulk_id), await bulks.progress_of(bulk_id)
            looks.append((time.monotonic(), ended_of(progress)))
            (first_s, first), (last_s, last) = looks[0], looks[-1]
            text = describe(bulk, progress, (last - first) / max(last_s - first_s, 0.001))
            if line is not None:
                line.update(text)
            elif last_s - shown_s >= interval_s or bulk.operation.is_finished:
                console.print(text)
                shown_s = last_s
            if bulk.operation.is_finished:
                return bulk, progress
            # Its end is seen soon, however seldom a line is written.
            await asyncio.sleep(_WATCHED_EVERY_S)
