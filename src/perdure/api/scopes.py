"""What a key may do: read or write one group of routes; and the sets of it that have a name.

Each kind of operation that is created has a group, by its plural; what else a kind's own routes
ask for, it declares. One that nobody asks for by itself is acted on with `operations:write`. A key
keeps what it was given: a scope of a kind that is no longer installed opens nothing, and the
others still do.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from perdure.capabilities import installed
from perdure.core.errors import InvalidInput

ADMIN: Final = "admin"
"""All of them; of one customer, all that a customer may do."""

_FOR_ALL: Final = ("accounts", "operations")
_READ_BY_ALL: Final = "customers:read"
"""Who a customer is: a profile is written by operations alone."""
_FOR_THE_HOUSE: Final = ("bulk", "flags", "limits", "schedules")
"""What no customer may do: their routes ask for `house_caller_with`."""
DECODE: Final = "payloads:decode"
"""Looking into what Temporal keeps of operations, which is more than a view of them shows."""
_OPERATORS: Final = ("operations:write", "bulk:write", DECODE)
"""What an operator may do beside what the kinds' own routes ask for."""


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
    return [*_of_kinds(), *_both(_FOR_ALL), _READ_BY_ALL, *_of_the_house(), ADMIN]


def scopes_of_key(scopes: Iterable[str], role: str | None) -> frozenset[str]:
    """Return what a key may do now: its scopes, and its role's with the kinds that are installed.

    A role of another release, that there is none of here, may do nothing.
    """
    known = Role(role) if role in set(Role) else None
    return frozenset(scopes) | frozenset(scopes_of(known) if known else ())


def scopes_of(role: Role) -> list[str]:
    """Return what a role may do, with the kinds that are installed now."""
    if role is Role.ADMIN:
        return [ADMIN]
    every = all_scopes()[:-1]
    if role is Role.APPROVER:
        return every
    acting = {*_of_kinds(), *_OPERATORS} if role is Role.OPERATOR else set()
    return [scope for scope in every if scope.endswith(":read") or scope in acting]


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
    of_the_house = {*_of_the_house()}
    return [scope for scope in scopes if scope in of_the_house]


def _of_kinds() -> list[str]:
    found = installed().values()
    created = _both(kind.plural for kind in found if kind.is_created)
    return created + [scope for kind in found for scope in kind.scopes]


def _of_the_house() -> list[str]:
    of_kinds = [scope for kind in installed().values() for scope in kind.house_scopes]
    return [*_both(_FOR_THE_HOUSE), DECODE, *of_kinds]


def _both(groups: Iterable[str]) -> list[str]:
    return [f"{group}:{act}" for group in groups for act in ("read", "write")]
