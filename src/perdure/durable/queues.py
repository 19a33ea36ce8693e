"""The task queues, by what they are for; the names at Temporal are settings."""

from collections.abc import Mapping
from typing import Final

OPERATIONS: Final = "operations"
"""Workflows of operations, and their database steps."""
LANES: Final = "lanes"
"""Floods of operations: lanes' workflows, and the activities that drive them."""
FRAUD: Final = "fraud"
NOTIFICATIONS: Final = "notifications"


_PROVIDER: Final = "provider-"


def provider_queue(provider: str) -> str:
    """Return the queue of the calls to one provider."""
    return f"{_PROVIDER}{provider}"


def provider_of(queue: str) -> str | None:
    """Return the provider whose calls go through a queue; None: it is another kind of queue."""
    return queue.removeprefix(_PROVIDER) if queue.startswith(_PROVIDER) else None


class QueueNames:
    """What each queue is called at Temporal: its own name, unless a setting says otherwise."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})
        self._queues = {name: queue for queue, name in self._names.items()}

    def __getitem__(self, queue: str) -> str:
        return self._names.get(queue, queue)

    def provider_of(self, name: str) -> str | None:
        """Return the provider whose calls go through the queue that Temporal calls so."""
        return provider_of(self._queues.get(name, name))
