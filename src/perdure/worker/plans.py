"""Which role of worker polls which queues, as data."""

from collections.abc import Iterable
from typing import Final

from perdure.capability.assembly import Kinds
from perdure.core.errors import ConfigurationError
from perdure.durable.queues import LANES, NOTIFICATIONS, OPERATIONS, provider_queue
from perdure.durable.registration import Registration

ALL: Final = "all"
PROVIDERS: Final = "providers"


def roles_of(kinds: Kinds) -> dict[str, tuple[str, ...]]:
    """Return the queues of each role: those of every installation, and those that kinds have.

    Queues are apart by how long their work holds a slot, so that a slow provider holds up nobody.
    """
    return {
        "operations": (OPERATIONS,),
        **kinds.roles,
        "notifications": (NOTIFICATIONS,),
        PROVIDERS: tuple(map(provider_queue, kinds.providers)),
        "lanes": (LANES,),
    }


def queues_of(role: str, kinds: Kinds) -> tuple[str, ...]:
    """Return the queues a role polls.

    Raises:
        ConfigurationError: There is no such role.
    """
    roles = roles_of(kinds)
    if role == ALL:
        return tuple(queue for queues in roles.values() for queue in queues)
    if role not in roles:
        known = ", ".join([*roles, ALL])
        raise ConfigurationError(f"There is no worker role {role!r}; use one of {known}.")
    return roles[role]


def work_of(role: str, kinds: Kinds, registrations: Iterable[Registration]) -> list[Registration]:
    """Return what a worker of the role registers: one registration for each of its queues."""
    found = list(registrations)
    return [_merged(queue, found) for queue in queues_of(role, kinds)]


def _merged(queue: str, registrations: list[Registration]) -> Registration:
    parts = [part for part in registrations if part.queue == queue]
    assert parts, f"nobody registered work for the queue {queue}"
    return Registration(
        queue,
        [workflow for part in parts for workflow in part.workflows],
        [activity for part in parts for activity in part.activities],
        [run for part in parts for run in part.beside],
    )
