"""Limits: how often a provider is called, the state of its budget, what is asked and granted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """How many calls a provider is sent, over the whole fleet and in both gears.

    Args:
        per_second: How many calls begin a second; None: as many as there are.
        at_once: How many calls are under way; None: as many as there are.
    """

    provider: str
    per_second: float | None = None
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class LimitChange:
    """Who changed a limit, when and why; None for a limit that was not there, or is gone."""

    provider: str
    at: datetime
    actor: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class BudgetState(StrEnum):
    """Whether a provider is called at all."""

    OPEN = "open"
    """Calls are made, as far as the limit lets them."""
    PAUSED = "paused"
    """The provider asked to wait."""
    BROKEN = "broken"
    """The provider failed time and again; nobody calls it for a while."""
    PROBED = "probed"
    """One call finds out whether it is back."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the fleet knows of a provider; moments are seconds of the database's clock.

    Args:
        next_at: When the next call may begin.
        paused_until: How long the provider asked to be left alone.
        failures: Calls in a row that it gave no answer to.
        broken_until: When it is tried again after too many of them.
        breaks: How often in a row it was found to be away.
        is_probing: One call is finding out whether it is back.
        calls: How many calls were begun so far.
    """

    next_at: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    broken_until: float = 0.0
    breaks: int = 0
    is_probing: bool = False
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What another process holds of a provider's budget.

    Args:
        wanted: Calls it makes or would make now.
        slots: Calls it was told that it may have under way.
    """

    wanted: int
    slots: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process asks for, and tells of the calls that ended since it asked last.

    Args:
        waiting: Calls that wait.
        granted: How many of them were granted, for moments that have not come.
        under_way: Calls that are being made.
        begun: Calls begun since.
        failures: Calls that the provider gave no answer to, after the last that it answered.
        answered: It answered a call.
        retry_after_s: How long it asked to be left alone, in seconds.
    """

    waiting: int
    under_way: int
    granted: int = 0
    begun: int = 0
    failures: int = 0
    answered: bool = False
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a process may do.

    Args:
        calls: How many calls may begin; None: any number, until it asks again.
        first_in_s: When the first of them may, in seconds from now.
        interval_s: How long after each the next one may.
        at_once: How many it may have under way; None: any number.
        again_in_s: When it is worth asking for more, in seconds from now.
    """

    calls: int | None
    first_in_s: float
    interval_s: float
    at_once: int | None
    again_in_s: float
    state: BudgetState
