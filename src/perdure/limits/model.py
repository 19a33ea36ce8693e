"""Limits: how often a provider is called, the state of its budget, what is asked and granted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


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

    @property
    def is_none(self) -> bool:
        """Whether the provider is called as often as there is something to call it for."""
        return self.per_second is None and self.at_once is None


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
class Work:
    """How calls of one sort get through to a provider; moments are of the database's clock.

    Args:
        failing_since: When the first of them failed, since the last that was answered; 0: that one
            was the latest.
        got_through_at: When the last of them was answered.
    """

    failing_since: float = 0.0
    got_through_at: float = 0.0


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
        works: By what is done there, as in its step's name.
        latest_answered, latest_failed: How the latest calls ended; each counts for less as time
            goes by.
        told_at: When they were last told of.
    """

    next_at: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    broken_until: float = 0.0
    breaks: int = 0
    is_probing: bool = False
    calls: int = 0
    works: Mapping[str, Work] = field(default_factory=dict)
    latest_answered: float = 0.0
    latest_failed: float = 0.0
    told_at: float = 0.0


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
class Heard:
    """What a process tells of its calls of one sort that ended since it told last.

    Args:
        answered: How many the provider answered.
        failed: How many it did not.
        answered_ago_s: How long ago it answered the last of them; None: none of them.
        is_failing: The latest of them failed.
    """

    answered: int = 0
    failed: int = 0
    answered_ago_s: float | None = None
    is_failing: bool = False


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
        heard: How they ended, by what was done.
    """

    waiting: int
    under_way: int
    granted: int = 0
    begun: int = 0
    failures: int = 0
    answered: bool = False
    retry_after_s: float = 0.0
    heard: Mapping[str, Heard] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a process may do.

    Args:
        calls: How many calls may begin; None: any number, until it asks again.
        first_in_s: When the first of them may, in seconds from now.
        interval_s: How long after each the next one may.
        at_once: How many it may have under way; None: any number.
        again_in_s: When it is worth asking for more, in seconds from now.
        is_troubled: Calls have failed lately, so that the fleet is to be told how they end.
    """

    calls: int | None
    first_in_s: float
    interval_s: float
    at_once: int | None
    again_in_s: float
    state: BudgetState
    is_troubled: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands over the whole fleet.

    Args:
        now: The moment it stood so, as the database has it; all moments are its.
        failing_share: How many of the latest calls failed, of 1; None: none failed lately.
        failing_since: When the first call failed, of those of a sort of which none was answered
            since; None: there is no such sort.
        until: When it is called again, where it is not called now.
        works: Who gets through, by what is done there.
    """

    state: BudgetState
    now: datetime
    failing_share: float | None = None
    failing_since: datetime | None = None
    until: datetime | None = None
    works: Mapping[str, Work] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        """Whether it is called, and answers most of the calls."""
        return self.state == BudgetState.OPEN and (self.failing_share or 0.0) < FAILING

    def __str__(self) -> str:
        until = "" if self.until is None else f" until {self.until:%H:%M:%S} UTC"
        since = "" if self.failing_since is None else f", since {self.failing_since:%H:%M:%S} UTC"
        share = "" if self.failing_share is None else f" ({self.failing_share:.0%} of the latest)"
        match self.state:
            case BudgetState.PAUSED:
                return f"asked to be left alone{until}"
            case BudgetState.BROKEN:
                return f"answers nobody{since}{share}; it is tried again after{until[6:]}"
            case BudgetState.PROBED:
                return f"answers nobody{since}{share}; one call sees whether it is back"
            case BudgetState.OPEN:
                return f"leaves calls unanswered{share}{since}" if share else "answers"


FAILING: Final = 0.5
"""A provider that fails as many of the latest calls is in trouble, be it called or not."""
