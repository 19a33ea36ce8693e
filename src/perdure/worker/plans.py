"""Which role of worker polls which queues, as data."""

from collections.abc import Iterable
from typing import Final

from perdure.core.errors import ConfigurationError
from perdure.durable.queues import FRAUD, LANES, NOTIFICATIONS, OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.fraud.contracts import SCORER
from perdure.payments.contracts import GATEWAY
from perdure.transfers.contracts import BANK

ALL: Final = "all"

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "operations": (OPERATIONS,),
    "fraud": (FRAUD, provider_queue(SCORER)),
    "notifications": (NOTIFICATIONS,),
    "providers": (provider_queue(GATEWAY), provider_queue(BANK)),
    "lanes": (LANES,),
}
"""Queues are apart by how long their work holds a slot, so that a slow provider holds up nobody."""


def queues_of(role: str) -> tuple[str, ...]:
    """Return the queues a role polls.

    Raises:
        ConfigurationError: There is no such role.
    """
    if role == ALL:
        return tuple(queue for queues in ROLES.values() for queue in queues)
    if role not in ROLES:
        known = ", ".join([*ROLES, ALL])
        raise ConfigurationError(f"There is no worker role {role!r}; use one of {known}.")
    return ROLES[role]


def work_of(role: str, registrations: Iterable[Registration]) -> list[Registration]:
    """Return what a worker of the role registers: one registration for each of its queues."""
    found = list(registrations)
    return [_merged(queue, found) for queue in queues_of(role)]


def _merged(queue: str, registrations: list[Registration]) -> Registration:
    parts = [part for part in registrations if part.queue == queue]
    assert parts, f"nobody registered work for the queue {queue}"
    return Registration(
        queue,
        [workflow for part in parts for workflow in part.workflows],
        [activity for part in parts for activity in part.activities],
    )
