"""The one way in which tests wait: for what they need, with a deadline and a pause.

The deadlines are for what never comes: on no machine does a test that goes well reach one.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

Found = TypeVar("Found")

WITHIN_S: Final = 60.0
PAUSE_S: Final = 0.02


@overload
async def eventually(
    look: Callable[[], Awaitable[Found | None]],
    *,
    within_s: float = WITHIN_S,
    pause_s: float = PAUSE_S,
    why_not: Callable[[], object] | None = None,
) -> Found: ...


@overload
async def eventually(
    look: Callable[[], Found | None],
    *,
    within_s: float = WITHIN_S,
    pause_s: float = PAUSE_S,
    why_not: Callable[[], object] | None = None,
) -> Found: ...


async def eventually(
    look: Callable[[], Any],
    *,
    within_s: float = WITHIN_S,
    pause_s: float = PAUSE_S,
    why_not: Callable[[], object] | None = None,
) -> Any:
    """Return what is found, as soon as it is something (not None, False, 0, or empty).

    Args:
        look: Looks once.
        within_s: After how long it is given up.
        pause_s: Between two looks.
        why_not: Tells what there is instead, for the message.
    """
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline_s, _too_late(look, within_s, why_not)
        await asyncio.sleep(pause_s)


def eventually_without_a_loop(
    look: Callable[[], Found | None],
    *,
    within_s: float = WITHIN_S,
    pause_s: float = PAUSE_S,
    why_not: Callable[[], object] | None = None,
) -> Found:
    """Do the same in a test that has no event loop."""
    deadline_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline_s, _too_late(look, within_s, why_not)
        time.sleep(pause_s)
    return found


def _too_late(look: object, within_s: float, why_not: Callable[[], object] | None) -> str:
    name = getattr(look, "__qualname__", repr(look)).replace(".<locals>", "")
    instead = f": {why_not()}" if why_not else ""
    return f"{name} found nothing within {within_s:g} s{instead}"
