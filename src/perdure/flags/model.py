"""Flags: which variant of something an evaluation gets, decided by rules in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

PERCENT_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class Attribute:
    """What rules may name of what is asked for, beside its kind and its customer.

    Args:
        name: As an evaluation's context has it, and a command's option: `asset`. A rule has several
            of its values, under `assets`.
        help: Its values, as a sentence begins: `Assets`.
        normal: Returns a value in its normal form; raises `InvalidInput`, which says how one is
            written.
    """

    name: str
    help: str
    normal: Callable[[str], str]

    @property
    def plural(self) -> str:
        """What its values are called in a rule."""
        return f"{self.name}s"


class Attributes:
    """What the rules of each flag may name.

    Args:
        by_flag: As the kinds declare it that a flag routes; a flag that routes none may name all.
    """

    def __init__(self, by_flag: Mapping[str, Sequence[Attribute]]) -> None:
        self._by_flag = by_flag
        self.all = {one.plural: one for attributes in by_flag.values() for one in attributes}

    def of(self, flag_key: str) -> Mapping[str, Attribute]:
        """Return a flag's, by their names in rules."""
        if flag_key not in self._by_flag:
            return self.all
        return {one.plural: one for one in self._by_flag[flag_key]}


@dataclass(frozen=True, slots=True)
class Rule:
    """Gives a variant to what all its conditions hold for; the first such rule of a flag counts.

    Args:
        variant: What is given.
        kinds: Kinds of operation; empty: any.
        where: Of which values an attribute has one, by the attributes' names in rules
            (`{"assets": ("GEM",)}`); one that is not named has any value, or none.
        customers: Customers' ids; empty: any.
        percent: How many of a hundred customers, among those the conditions hold for.
    """

    variant: str
    kinds: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    customers: tuple[str, ...] = ()
    percent: int = PERCENT_ALL

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """What has to hold; two rules of the same conditions are about the same evaluations."""
        return {"kinds": self.kinds, **self.where, "customers": self.customers}

    @property
    def content(self) -> dict[str, Any]:
        """The rule as JSON."""
        conditions = {name: list(values) for name, values in self.conditions.items()}
        return {"variant": self.variant, **conditions, "percent": self.percent}


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag.

    Args:
        key: Its name, as `renewals-engine`.
        variants: What an evaluation can give.
        default_variant: What it gives where no rule does, and while the flag is off.
        rules: Looked at in this order.
        enabled: False: the rules are not looked at.
        version: Grows by one with each change; 0: not stored yet.
    """

    key: str
    variants: tuple[str, ...]
    default_variant: str
    rules: tuple[Rule, ...] = ()
    enabled: bool = True
    version: int = 0

    @property
    def content(self) -> dict[str, Any]:
        """What can be changed, as JSON."""
        return {
            "enabled": self.enabled,
            "variants": list(self.variants),
            "default_variant": self.default_variant,
            "rules": [rule.content for rule in self.rules],
        }


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Who changed a flag, when and why.

    Args:
        version: The flag's, after the change.
        before: The flag's content before it; None: there was no flag.
    """

    key: str
    version: int
    at: datetime
    actor: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a flag is evaluated for.

    Args:
        customer_id: Also what a percentage goes by; OpenFeature's targeting key.
        kind: The kind of operation.
        values: What it is about, by the attributes' names in rules; of several values any counts.
    """

    customer_id: str | None = None
    kind: str | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
