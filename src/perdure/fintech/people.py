"""The people of the demo: who applies, what becomes of each, and what they send one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final

CURRENCIES: Final = ("USD", "EUR")
"""Everybody has an account in each."""
OUTSIDE: Final = "DE89370400440532013000"
"""An account that is nobody's here."""
CLOSED: Final = "dest_declined"
"""An account to which the bank pays nothing out."""

_FIRST_NAMES: Final = ("Ada", "Ben", "Chloe", "Dan", "Eve", "Finn", "Gina", "Hugo", "Ines", "Jan")
_LAST_NAMES: Final = ("Adler", "Brandt", "Costa", "Duval", "Evans", "Ferrari", "Garcia")
_LEAVES: Final = "Grace Farewell-Leroux"
_OF_EACH: Final = 10
"""Of so many customers these are checked in a way of their own, by their places."""
_MANNERS: Final = {2: "Reviewed", 4: "Silent", 6: "Waits"}
"""What the verifier does with a name that ends so: people look first, it calls nobody back, it
waits for the person."""
_DECLINED_OF: Final = 10
_EXPIRED_OF: Final = 20
"""To so many customers comes one more who becomes none."""

_AMOUNT_MINOR: Final = (1_000, 9_000)
_FAILS_OF: Final = 25
"""Of so many transfers one goes to an account that is closed."""
_SEED: Final = 15


class Outcome(StrEnum):
    """What becomes of an application."""

    APPROVED = "approved"
    ASKED = "approved, after more was asked for"
    DECLINED = "declined"
    NOT_COMPLETED = "never completed"


_OUTCOMES: Final = {
    "Waits": Outcome.ASKED,
    "Declined": Outcome.DECLINED,
    "Expires": Outcome.NOT_COMPLETED,
}


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who wants to be a customer."""

    number: int
    full_name: str

    @property
    def customer_id(self) -> str:
        """The house's own id."""
        return f"cus_demo_{self.number}"

    @property
    def email(self) -> str:
        """Where they are told."""
        return f"{self.full_name.lower().replace(' ', '.')}.{self.number}@example.com"

    @property
    def outcome(self) -> Outcome:
        """What becomes of it: the verifier goes by the name."""
        return _OUTCOMES.get(self.full_name.rpartition(" ")[2], Outcome.APPROVED)

    @property
    def is_customer(self) -> bool:
        """Whether they become a customer."""
        return self.outcome in (Outcome.APPROVED, Outcome.ASKED)

    @property
    def body(self) -> dict[str, Any]:
        """What is asked for, as the API takes it."""
        return {
            "customer_id": self.customer_id,
            "full_name": self.full_name,
            "email": self.email,
            "birth_date": f"{1960 + self.number % 40}-0{1 + self.number % 9}-11",
            "country": "FR",
            "currencies": list(CURRENCIES),
        }


def plan_applicants(customers: int) -> list[Applicant]:
    """Return who applies: those who become customers, and some who do not.

    The last of the customers is the one who leaves again.
    """
    names = [_name(number) for number in range(customers - 1)] + [_LEAVES]
    names += ["Max Declined"] * max(1, customers // _DECLINED_OF)
    names += ["Mia Expires"] * max(1, customers // _EXPIRED_OF)
    return [Applicant(number, name) for number, name in enumerate(names)]


def _name(number: int) -> str:
    first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
    last = _LAST_NAMES[number % len(_LAST_NAMES)]
    return f"{first} {_MANNERS.get(number % _OF_EACH, last)}"


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account of a customer's, and the number by which others pay into it."""

    customer_id: str
    account_id: str
    currency: str
    iban: str

    def paying(self, amount_minor: int, destination: str) -> dict[str, Any]:
        """Return a transfer from it, as the API takes it."""
        return {
            "customer_id": self.customer_id,
            "account_id": self.account_id,
            "amount_minor": amount_minor,
            "currency": self.currency,
            "destination": destination,
        }


def iban_of(place: int) -> str:
    """Return a German account number that adds up, of our own bank."""
    own = f"500105{place:012}"
    # ISO 13616: letters count as two digits, and the whole is 1 modulo 97.
    return f"DE{98 - int(f'{own}131400') % 97:02}{own}"


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer from one customer to another.

    Args:
        receiver: None: it goes to an account that is closed, and comes back.
    """

    sender: Wallet
    receiver: Wallet | None
    amount_minor: int

    @property
    def body(self) -> dict[str, Any]:
        """What is asked for, as the API takes it."""
        return self.sender.paying(
            self.amount_minor, self.receiver.iban if self.receiver else CLOSED
        )


def plan_transfers(count: int, wallets: Sequence[Wallet]) -> Iterator[Sent]:
    """Yield the transfers, always the same: the currencies in turn, between any two customers."""
    draw = Random(_SEED)  # noqa: S311 - it is to be the same each time
    of = {one: [each for each in wallets if each.currency == one] for one in CURRENCIES}
    for number in range(count):
        among = of[CURRENCIES[number % len(CURRENCIES)]]
        sender, receiver = draw.sample(among, 2)
        fails = number % _FAILS_OF == _FAILS_OF - 1
        yield Sent(sender, None if fails else receiver, draw.randint(*_AMOUNT_MINOR))


def shares(total: int, count: int) -> list[int]:
    """Return a whole number in parts as equal as can be."""
    return [total // count + (place < total % count) for place in range(count)]
