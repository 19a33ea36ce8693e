"""What is compared: entries of ours and lines of theirs, and what came of it."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from perdure.reconciliation.statements.values import names_ours


class BreakClass(StrEnum):
    """What is wrong with something that has no counterpart, or not the right one."""

    MISSING_HERE = "missing_here"
    """They have it, and our books do not."""
    MISSING_THERE = "missing_there"
    """Our books have it, and they do not, although they should by now."""
    AMOUNT = "amount"
    """Both have it, of another amount."""
    DUPLICATE = "duplicate"
    """One side has it once more."""
    LATE = "late"
    """Both have it, further apart than is usual."""
    CURRENCY = "currency"
    """Both have it, in another currency."""
    TIMING = "timing"
    """Our books have it, and they may still have it: it is young."""
    SIGN = "sign"
    """Both have it, in the opposite direction."""


class Rule(StrEnum):
    """By what two sides were matched."""

    REFERENCE = "reference"
    AMOUNT_AND_DATE = "amount_and_date"
    COVERING_SET = "covering_set"
    NETS_TO_NOTHING = "nets_to_nothing"
    """One side alone, which took back what it did."""
    HAND = "hand"
    BOOKED = "booked"
    WRITTEN_OFF = "written_off"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of ours, or a line of theirs.

    Args:
        key: Names it on its side.
        amount_minor: Positive: the account has more for it.
        is_repeated: Something like it, by the same reference, was matched before.
    """

    key: str
    amount_minor: int
    currency: str
    booked_on: date
    references: frozenset[str] = frozenset()
    is_repeated: bool = False

    @property
    def order(self) -> tuple[date, str]:
        """What decides where nothing else does."""
        return self.booked_on, self.key

    @property
    def names_ours(self) -> bool:
        """Whether it names something of ours: then it is that, or nothing."""
        return any(map(names_ours, self.references))


@dataclass(frozen=True, slots=True)
class Terms:
    """How two sides are compared.

    Args:
        covered_to: The last day that theirs is known of: what is later on our side waits.
        timing_days: How far apart the two sides may be; None: their days say nothing.
        tolerance_minor: How far apart two amounts may be.
        by_amount: What has no reference in common may be matched by amount and day.
    """

    covered_to: date
    timing_days: int | None = 2
    tolerance_minor: int = 0
    by_amount: bool = True

    def agree(self, ours_minor: int, theirs_minor: int) -> bool:
        """Whether two amounts are the same."""
        return abs(ours_minor - theirs_minor) <= self.tolerance_minor

    def near(self, one: date, other: date) -> bool:
        """Whether two days are as near as is usual."""
        return self.timing_days is None or abs((one - other).days) <= self.timing_days


@dataclass(frozen=True, slots=True)
class Match:
    """What belongs together, by the keys of both sides."""

    rule: Rule
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What may belong together, and is for a person to say."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit, and how.

    Args:
        amount_minor: What theirs comes to, less what ours does.
    """

    break_class: BreakClass
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    amount_minor: int
    currency: str
    proposals: tuple[Proposal, ...] = ()


@dataclass(slots=True)
class Compared:
    """What came of comparing two sides.

    Attributes:
        waiting: What of ours no statement covers yet.
    """

    matches: list[Match] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    waiting: int = 0
