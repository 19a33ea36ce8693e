"""What a capability hands to the workers: per queue, its workflows and bound activities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Registration:
    """The work of one queue.

    Args:
        queue: What the queue is for, as in `durable.queues`; not its name at Temporal.
    """

    queue: str
    workflows: Sequence[type[Any]] = ()
    activities: Sequence[Callable[..., Any]] = ()
