"""What else happens in the transaction of an action on an operation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from perdure.core.errors import PerdureError
from perdure.storage.pool import Connection


async def _nothing(*_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Also:
    """Commits with an action: a bulk's own record of it, or the answer to who asked for it.

    Args:
        after: With what was done, given what the action answers; what it raises undoes the action.
        before: Ahead of everything; what it raises ends the action, and nothing is noted of it.
        refused: With the note that the action was refused, given why.
    """

    after: Callable[[Connection, Any], Awaitable[None]] = _nothing
    before: Callable[[Connection], Awaitable[None]] = _nothing
    refused: Callable[[Connection, PerdureError], Awaitable[None]] = _nothing


NOTHING_ELSE: Final = Also()
