"""What a key may do: read or write one group of routes; and the sets of it that have a name.

Each kind of operation that is installed has a group, by its plural. A key keeps what it was given:
a scope of a kind that is no longer installed opens nothing, and the others still do.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from perdure.capabilities import installed
from perdure.core.errors import InvalidInput

ADMIN: Final = "admin"
"""All of them; of one customer, all that a customer may do."""

_FOR_ALL: Final = ("accounts", "operations")
_FOR_THE_HOUSE: Final = ("bulk", "flags", "limits")
"""What no customer may do: their routes ask for `house_caller_with`."""


class Role(StrEnum):
    """A set of scopes for one of the house's people."""

    VIEWER = "viewer"
    """Sees everything."""
    OPERATOR = "operator"
    """Takes operations in too, and acts on them, one by one and many at once."""
    APPROVER = "approver"
    """Decides too on what all operations go by: money paid in, flags, providers' limits."""
    ADMIN = "admin"


def all_scopes() -> list[str]:
    """Return every scope there is, of the kinds that are installed too."""
    groups = (*_kinds(), *_FOR_ALL, *_for_the_house())
    return [*_reading(groups), *_writing(groups), ADMIN]


def scopes_of_key(scopes: Iterable[str], role: str | None) -> frozenset[str]:
    """Return what a key may do now: its scopes, and its role's with the kinds that are installed.

    A role of another release, that there is none of here, may do nothing.
    """
    known = Role(role) if role in set(Role) else None
    return frozenset(scopes) | frozenset(scopes_of(known) if known else ())


def scopes_of(role: Role) -> list[str]:
    """Return what a role may do, with the kinds that are installed now."""
    scopes = _reading((*_kinds(), *_FOR_ALL, *_for_the_house()))
    if role is Role.ADMIN:
        return [ADMIN]
    if role is not Role.VIEWER:
        scopes += _writing((*_kinds(), "operations", "bulk"))
    if role is Role.APPROVER:
        scopes += _writing(("accounts", "flags", "limits", *_house_scopes_of_kinds()))
    return scopes


def check_scopes(scopes: Iterable[str], role: Role | None = None) -> list[str]:
    """Return what a new key may do, each scope once.

    Raises:
        InvalidInput: `unknown_scope`; `missing_field`: there is none, and no role.
    """
    granted, known = sorted(set(scopes)), all_scopes()
    for scope in granted:
        if scope not in known:
            raise InvalidInput(
                f"There is no scope {scope!r}; there are {', '.join(known)}.",
                code="unknown_scope",
                param="scopes",
            )
    if not granted and role is None:
        raise InvalidInput("Give a key at least one scope.", code="missing_field", param="scopes")
    return granted


def house_scopes(scopes: Iterable[str]) -> list[str]:
    """Return those of some scopes that no customer may have."""
    of_the_house = {*_reading(_for_the_house()), *_writing(_for_the_house())}
    return [scope for scope in scopes if scope in of_the_house]


def _kinds() -> list[str]:
    found = installed().values()
    created = [kind.plural for kind in found if kind.is_created or kind.routes]
    return created + [scope for kind in found for scope in kind.scopes]


def _for_the_house() -> tuple[str, ...]:
    return (*_FOR_THE_HOUSE, *_house_scopes_of_kinds())


def _house_scopes_of_kinds() -> list[str]:
    return [scope for kind in installed().values() for scope in kind.house_scopes]


def _reading(groups: Iterable[str]) -> list[str]:
    return [f"{group}:read" for group in groups]


def _writing(groups: Iterable[str]) -> list[str]:
    return [f"{group}:write" for group in groups]
