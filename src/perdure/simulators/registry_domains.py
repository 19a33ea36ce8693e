"""The domains of the simulated registries: derived from their names, so that none is stored.

`docs/simulators.md` has the tokens that a name can begin with.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from perdure.core.errors import ConfigurationError
from perdure.simulators.bank_behaviour import Behaviour
from perdure.simulators.faults import ALWAYS, Answer, Difference

CURRENCY: Final = "USD"
YEARS_MAX: Final = 10
"""How far ahead a domain is paid for at most, counted from the registry's day."""
EXPIRES_WITHIN_DAYS: Final = 90
PREMIUM_FACTOR: Final = 10

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class DomainStatus(StrEnum):
    """What a registered domain can be."""

    ACTIVE = "active"
    EXPIRED = "expired"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class TldTerms:
    """A registry's terms.

    Args:
        price_minor: Of one year of a domain that is not premium.
        refundable: A renewal is taken back within the grace period.
        requests_per_s, at_once: What the registry stands; see `RegistryLimits`.
    """

    price_minor: int
    refundable: bool
    requests_per_s: float
    at_once: int
    port: int


TERMS: Final[dict[str, TldTerms]] = {
    "info": TldTerms(1499, refundable=True, requests_per_s=50, at_once=20, port=8106),
    "fr": TldTerms(899, refundable=False, requests_per_s=20, at_once=10, port=8107),
    "com": TldTerms(1199, refundable=True, requests_per_s=100, at_once=40, port=8108),
}
"""The registries there are, by TLD."""


def terms_of(tld: str) -> TldTerms:
    """Return a registry's terms.

    Raises:
        ConfigurationError: There is no registry of this TLD.
    """
    if tld not in TERMS:
        raise ConfigurationError(
            f"There is no simulated registry of {tld!r}; choose one of {', '.join(TERMS)}.",
            param="tld",
        )
    return TERMS[tld]


@dataclass(frozen=True, slots=True)
class Domain:
    """A registered domain.

    Args:
        price_minor: Of one more year.
    """

    name: str
    status: str
    expires_on: date
    premium: bool
    price_minor: int

    def view(self) -> dict[str, Any]:
        """Return what the registry tells about it."""
        return {
            "name": self.name,
            "status": self.status,
            "expires_on": self.expires_on.isoformat(),
            "premium": self.premium,
            "price_minor": self.price_minor,
            "currency": CURRENCY,
        }


PLAIN: Final = Behaviour()

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    "flaky": Behaviour(unavailable_first=2),
    "busy": Behaviour(rate_limited_first=2),
    "down": Behaviour(unavailable_first=ALWAYS),
    "error": Behaviour(answer=Answer.UNAVAILABLE),
    "cut": Behaviour(answer=Answer.CUT),
    "timeout": Behaviour(answer=Answer.NEVER),
    "slow": Behaviour(answer=Answer.SLOW),
    "inuse": Behaviour(answer=Answer.IN_USE),
    "overbilled": Behaviour(does=Difference.AMOUNT),
    "misbilled": Behaviour(does=Difference.CURRENCY),
    "misfiled": Behaviour(does=Difference.REFERENCE),
    "undecided": Behaviour(does=Difference.STATUS),
}
"""How a renewal is treated, by the token that the domain's name begins with."""


def behaviour_of(name: str) -> Behaviour:
    """Return how a domain's renewals are treated."""
    return BEHAVIOURS.get(_token_of(name), PLAIN)


def is_domain_of(tld: str, name: str) -> bool:
    """Tell whether a registry can have a domain of this name: `label.tld`, in lower case."""
    label = name.removesuffix(f".{tld}")
    return label != name and _LABEL.fullmatch(label) is not None


def derived_domain(name: str, *, day: date, seed: int, price_minor: int) -> Domain | None:
    """Return a domain as its name and the seed make it; None: it is not registered.

    Args:
        day: The registry's day: most domains expire within the 90 days after it.
        price_minor: Of one year of a domain that is not premium.
    """
    token = _token_of(name)
    if token == "unregistered":  # noqa: S105 - a word in a name
        return None
    digest = blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    distance = timedelta(days=1 + int.from_bytes(digest, "big") % EXPIRES_WITHIN_DAYS)
    status, premium = DomainStatus.ACTIVE, token == "premium"  # noqa: S105
    if token == DomainStatus.LOCKED:
        status = DomainStatus.LOCKED
    elif token == DomainStatus.EXPIRED:
        status, distance = DomainStatus.EXPIRED, -distance
    return Domain(name, status, day + distance, premium, price_of(price_minor, premium=premium))


def price_of(price_minor: int, *, premium: bool) -> int:
    """Return a year's price, given that of a domain that is not premium."""
    return price_minor * PREMIUM_FACTOR if premium else price_minor


def add_years(day: date, years: int) -> date:
    """Return the same day of another year; 29 February becomes the 28th where it has to."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _token_of(name: str) -> str:
    token, hyphen, _ = name.partition("-")
    return token if hyphen else ""
