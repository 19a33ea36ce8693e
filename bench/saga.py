"""The work every peer does: money held, paid out by a provider, settled, and its owner told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ACCOUNTS: Final = 1_000
OPENING_BALANCE_MINOR: Final = 1_000_000_000
CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Saga:
    """One payment to carry out.

    Args:
        number: Counts up within a round; account and amount follow from it.
    """

    number: int

    @property
    def account_number(self) -> int:
        """Which of the accounts pays."""
        return self.number % ACCOUNTS

    @property
    def amount_minor(self) -> int:
        """What it pays, in minor units: 1.00 to 9.99."""
        return 100 + self.number * 7 % 900


def sagas(count: int, *, first: int = 0) -> list[Saga]:
    """Return the next `count` sagas from a number on."""
    return [Saga(number) for number in range(first, first + count)]


def customer_id(number: int) -> str:
    """Return whose the account of a number is."""
    return f"cus_{number}"


def total_minor(done: Sequence[Saga]) -> int:
    """Return what they move together, in minor units."""
    return sum(saga.amount_minor for saga in done)
