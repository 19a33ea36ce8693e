"""The task queues, by what they are for; the names at Temporal are settings."""

from collections.abc import Mapping
from typing import Final

OPERATIONS: Final = "operations"
"""Workflows of operations, and their database steps."""
LANES: Final = "lanes"
"""Floods of operations: lanes' workflows, and the activities that drive them."""
FRAUD: Final = "fraud"
NOTIFICATIONS: Final = "notifications"


def provider_queue(provider: str) -> str:
    """Return the queue of the calls to one provider: its rate and concurrency are set there."""
    return f"provider-{provider}"


class QueueNames:
    """What each queue is called at Temporal: its own name, unless a setting says otherwise."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})

    def __getitem__(self, queue: str) -> str:
        return self._names.get(queue, queue)
