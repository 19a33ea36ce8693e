"""Flags: which variant of something an evaluation gets, decided by rules in order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

PERCENT_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """Gives a variant to what all its conditions hold for; the first such rule of a flag counts.

    Args:
        variant: What is given.
        kinds: Kinds of operation; empty: any.
        tlds: Top-level domains, in lower case and without a dot before (`info`); empty: any, and
            what has none.
        customers: Customers' ids; empty: any.
        percent: How many of a hundred customers, among those the conditions hold for.
    """

    variant: str
    kinds: tuple[str, ...] = ()
    tlds: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    percent: int = PERCENT_ALL

    @property
    def conditions(self) -> tuple[tuple[str, ...], ...]:
        """What has to hold; two rules of the same conditions are about the same evaluations."""
        return (self.kinds, self.tlds, self.customers)

    @property
    def content(self) -> dict[str, Any]:
        """The rule as JSON."""
        return {
            "variant": self.variant,
            "kinds": list(self.kinds),
            "tlds": list(self.tlds),
            "customers": list(self.customers),
            "percent": self.percent,
        }


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
        tld: Of the domain it is about.
    """

    customer_id: str | None = None
    kind: str | None = None
    tld: str | None = None
