"""How a bulk goes: a line that is rewritten on a terminal, or a line now and then in a log."""

import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from rich.console import Console

from perdure.cli.api_client import ApiClient
from perdure.core.times import duration
from perdure.operations.model import FINISHED

_WATCHED_EVERY_S: Final = 0.5
_LOGGED_EVERY_S: Final = 5.0
_RATE_OVER_S: Final = 30.0


def describe(bulk: Mapping[str, Any], per_second: float) -> str:
    """Say how far a bulk is, in a line."""
    progress = bulk["progress"]
    selected = selected_by(bulk)
    if not bulk["selected"]:
        return f"{selected:,} of {bulk['counted']:,} selected"
    pending = progress["pending"]
    parts = [f"{selected - pending:,} of {selected:,}", f"{progress['done']:,} done"]
    rest = {name: progress[name] for name in ("refused", "failed", "skipped")}
    parts += [f"{count:,} {name}" for name, count in rest.items() if count]
    if bulk["is_paused"]:
        parts.append("paused")
    elif pending:
        parts.append(f"{per_second:,.{0 if per_second >= 10 else 1}f}/s")
        if per_second:
            parts.append(f"about {duration(pending / per_second)} left")
    return ", ".join(parts)


def selected_by(bulk: Mapping[str, Any]) -> int:
    """Return how many operations a bulk has selected, so far."""
    return sum(count for name, count in bulk["progress"].items() if name != "codes")


def follow(api: ApiClient, path: str, console: Console) -> dict[str, Any]:
    """Show a bulk's progress until it has ended; returns how it ended."""
    interval_s = _WATCHED_EVERY_S if console.is_terminal else _LOGGED_EVERY_S
    looks: deque[tuple[float, int]] = deque(maxlen=int(_RATE_OVER_S / interval_s))
    with ExitStack() as stack:
        line = stack.enter_context(console.status("…")) if console.is_terminal else None
        shown_s = float("-inf")
        while True:
            bulk: dict[str, Any] = api.get(path)
            is_finished = bulk["status"] in FINISHED
            looks.append((time.monotonic(), selected_by(bulk) - bulk["progress"]["pending"]))
            (first_s, first), (last_s, last) = looks[0], looks[-1]
            text = describe(bulk, (last - first) / max(last_s - first_s, 0.001))
            if line is not None:
                line.update(text)
            elif last_s - shown_s >= interval_s or is_finished:
                console.print(text)
                shown_s = last_s
            if is_finished:
                return bulk
            # Its end is seen soon, however seldom a line is written.
            time.sleep(_WATCHED_EVERY_S)
