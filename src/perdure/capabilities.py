"""The kinds of operation there are: the one place where they are named.

Those of other packages are found by their entry point, in the group `perdure.capabilities`:

    [project.entry-points."perdure.capabilities"]
    giftcards = "perdure_giftcards.capability:GIFTCARDS"

What moves money is loaded only if whoever runs it says so: `PERDURE_CAPABILITIES`.
"""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from perdure.capability.declaration import Capability, Place
from perdure.core.errors import ConfigurationError
from perdure.core.ids import HOUSE_PREFIXES

BUILT_IN: Final[Mapping[str, Place]] = {
    "payments": "perdure.payments.capability:PAYMENTS",
    "transfers": "perdure.transfers.capability:TRANSFERS",
    "renewals": "perdure.renewals.capability:RENEWALS",
    "refunds": "perdure.refunds.capability:REFUNDS",
    "trades": "perdure.trades.capability:TRADES",
    "reconciliations": "perdure.reconciliation.capability:RECONCILIATIONS",
    "reconciliation-breaks": "perdure.reconciliation.capability:RECONCILIATION_BREAKS",
    "erasures": "perdure.erasures.capability:ERASURES",
    "bank-syncs": "perdure.bank_sync.capability:BANK_SYNCS",
    "onboardings": "perdure.onboarding.capability:ONBOARDINGS",
}
"""Each kind's plural, and where it is: imported by whoever asks for it."""

GROUP: Final = "perdure.capabilities"
ALLOWED: Final = "PERDURE_CAPABILITIES"
"""The setting: which kinds of other packages are loaded, as a JSON list of their plurals."""


def places() -> dict[str, Place]:
    """Return where each kind is, by its plural: the built-in ones, and those that are allowed.

    Nothing of them is imported.

    Raises:
        ConfigurationError: The setting is wrong, or names what no package has.
    """
    return dict(_places(_allowed()))


def load(plural: str) -> Capability:
    """Return a kind.

    Raises:
        ConfigurationError: There is none, or it cannot be imported; names its package.
    """
    found = places()
    if plural not in found:
        raise ConfigurationError(
            f"There are no {plural}; this installation has {', '.join(found)}."
        )
    return _loaded(plural, found[plural])


def installed() -> dict[str, Capability]:
    """Return all kinds, by their names as in `operations.kind`.

    Raises:
        ConfigurationError: As `load`; or two kinds have the same name, prefix or workflow.
    """
    return dict(_installed(_places(_allowed())))


def attribute(place: Place) -> Any:
    """Return what is at a place."""
    module, name = place.split(":")
    return getattr(import_module(module), name)


def _allowed() -> tuple[str, ...]:
    text = os.environ.get(ALLOWED, "")
    try:
        found = json.loads(text or "[]")
    except ValueError as error:
        raise ConfigurationError(
            f"The setting {ALLOWED} is wrong: it is no JSON: {error}.", param=ALLOWED
        ) from None
    if not (isinstance(found, list) and all(isinstance(name, str) for name in found)):
        raise ConfigurationError(
            f'The setting {ALLOWED} is wrong: write a list of names, as ["giftcards"].',
            param=ALLOWED,
        )
    return tuple(found)


@cache
def _places(allowed: tuple[str, ...]) -> tuple[tuple[str, Place], ...]:
    # The packages' metadata are read where something is asked of them only: they cost a command
    # more time than its own work.
    others = {entry.name: entry for entry in entry_points(group=GROUP)} if allowed else {}
    for name in allowed:
        if name not in others and name not in BUILT_IN:
            raise ConfigurationError(
                f"{ALLOWED} names {name}, and no package that is installed has it; install the one"
                " that does, or take it out.",
                param=ALLOWED,
            )
    return (
        *BUILT_IN.items(),
        *((name, others[name].value) for name in allowed if name not in BUILT_IN),
    )


@cache
def _installed(found: tuple[tuple[str, Place], ...]) -> tuple[tuple[str, Capability], ...]:
    capabilities = [_loaded(plural, place) for plural, place in found]
    for capability in capabilities:
        if capability.id_prefix in HOUSE_PREFIXES:
            raise ConfigurationError(
                f"The capability {capability.plural} has the id_prefix {capability.id_prefix!r},"
                " which is the house's own; give it another."
            )
    for what in ("name", "id_prefix", "workflow"):
        _check_unique(what, capabilities)
    return tuple((capability.name, capability) for capability in capabilities)


def _check_unique(what: str, capabilities: Iterable[Capability]) -> None:
    taken: dict[str, Capability] = {}
    for capability in capabilities:
        value = getattr(capability, what)
        if (other := taken.setdefault(value, capability)) is not capability:
            raise ConfigurationError(
                f"The capability {capability.plural} has the {what} {value!r}, which"
                f" {other.plural} has already; give it one of its own."
            )


@cache
def _loaded(plural: str, place: Place) -> Capability:
    try:
        found = attribute(place)
    except Exception as error:
        raise ConfigurationError(
            f"The capability {plural} cannot be loaded from {place}: {error!r}."
        ) from error
    if not isinstance(found, Capability):
        raise ConfigurationError(f"The capability {plural}: {place} is no Capability.")
    if found.plural != plural:
        raise ConfigurationError(
            f"The capability at {place} calls itself {found.plural}, not {plural}."
        )
    return found


def refuse_others() -> None:
    """Refuse to start beside a kind that is installed and not allowed.

    Raises:
        ConfigurationError: Names it, and its package.
    """
    known = dict(places())
    for entry in entry_points(group=GROUP):
        if entry.name not in known:
            raise ConfigurationError(
                f"The package {_package_of(entry)} brings the capability {entry.name}, which"
                f' {ALLOWED} does not allow; add "{entry.name}" to it, or uninstall the package.',
                param=ALLOWED,
            )


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
