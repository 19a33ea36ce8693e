"""How the system before Perdure carries out operations of a kind, as the kind declares it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from perdure.capability.declaration import Place
from perdure.legacy.queue import Held
from perdure.storage.pool import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyWay:
    """The old way of a kind.

    Args:
        first: The internal status that a new one begins in.
        part: Which part of the old system has one, given its input: parts are drained one by one.
        adopt: Writes down what the old system has done of one, in the commit that makes it
            Perdure's; None: one that it has begun is left to it.
        worker: Runs its worker on this machine, until it is told to stop.
        beat: Runs what has its worker look for what is due; None: the worker looks by itself.
        plan: Awaited with an `Ended`, returns the `Course` that Perdure would have taken; None: it
            is not compared with what was done.
        broker: The setting that says where its Redis is; None: it needs none.
    """

    first: str
    part: Callable[[Mapping[str, Any]], str]
    worker: Place
    adopt: Callable[[Connection, Held], Awaitable[None]] | None = None
    beat: Place | None = None
    broker: str | None = None
    plan: Place | None = None
