"""Which role of worker polls which queues, as data."""

from collections.abc import Iterable
from typing import Final

from perdure.core.errors import ConfigurationError
from perdure.durable.queues import (
    FRAUD,
    LANES,
    NOTIFICATIONS,
    OPERATIONS,
    provider_of,
    provider_queue,
)
from perdure.durable.registration import Registration
from perdure.fraud.contracts import SCORER
from perdure.payments.contracts import GATEWAY
from perdure.transfers.contracts import BANK

ALL: Final = "all"
PROVIDERS: Final = "providers"

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "operations": (OPERATIONS,),
    "fraud": (FRAUD, provider_queue(SCORER)),
    "notifications": (NOTIFICATIONS,),
    PROVIDERS: (provider_queue(GATEWAY), provider_queue(BANK)),
    "lanes": (LANES,),
}
"""Queues are apart by how long their work holds a slot, so that a slow provider holds up nobody.

The registries' queues, one for each TLD there is a registry for, go with the providers'.
"""


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
    queues = queues_of(role)
    if role in (PROVIDERS, ALL):
        queues += _queues_of_settings(found)
    return [_merged(queue, found) for queue in queues]


def _queues_of_settings(registrations: list[Registration]) -> tuple[str, ...]:
    """Return the queues that are there by a setting: the registries'."""
    named = set(queues_of(ALL))
    unnamed = dict.fromkeys(part.queue for part in registrations if part.queue not in named)
    assert all(provider_of(queue) for queue in unnamed), f"no role polls one of {list(unnamed)}"
    return tuple(unnamed)


def _merged(queue: str, registrations: list[Registration]) -> Registration:
    parts = [part for part in registrations if part.queue == queue]
    assert parts, f"nobody registered work for the queue {queue}"
    return Registration(
        queue,
        [workflow for part in parts for workflow in part.workflows],
        [activity for part in parts for activity in part.activities],
    )
