"""What decides a round, the same way for the same seed."""

import random
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from perdure.chaos.planned import Contact

Choice = TypeVar("Choice")

_AMOUNT_MINOR_MAX: Final = 10_000
_MAILBOXES: Final = {"person": 45, "tempfail": 2, "cut": 2, "reject": 1}
REJECTING_MAILBOX: Final = "reject"
_PHONES: Final = {"9999": 40, "0002": 2, "0003": 2, "0004": 2, "0005": 1, "0006": 1, "0001": 1}
REJECTING_PHONE: Final = "0001"


def round_customer_id(seed: int) -> str:
    """Return the customer that a round's operations are of."""
    return f"cus_chaos_{seed}"


class Dice:
    """Decides one operation of a round.

    Args:
        fate: Of all operations of its kind in the round, one after the other.
        kind: That kind, by its plural.
        seed: The round's.
        number: The operation's, among those of its kind.
        place: The operation's, among all of the round.
    """

    def __init__(
        self, fate: random.Random, kind: str, *, seed: int, number: int, place: int
    ) -> None:
        self.seed = seed
        self.number = number
        self.key = f"chaos-{seed}-{kind}-{number}"
        """What the operation is asked for with."""
        self.customer_id = f"{round_customer_id(seed)}-{number}"
        """A customer of its own, where the round's is not who asks."""
        self._fate = fate
        self._place = place
        self._contacts = 0

    def happens(self, how_often: float) -> bool:
        """Decide whether something happens."""
        return self._fate.random() < how_often

    def seconds(self, most_s: float) -> float:
        """Choose a time."""
        return round(self._fate.uniform(0, most_s), 3)

    def number_below(self, end: int) -> int:
        """Choose a number from 0 on."""
        return self._fate.randrange(end)

    def amount_minor(self) -> int:
        """Choose an amount."""
        return self._fate.randint(1, _AMOUNT_MINOR_MAX)

    def choice(self, of: Sequence[Choice]) -> Choice:
        """Choose one of several."""
        return self._fate.choice(of)

    def weighted(self, weights: Mapping[Choice, int]) -> Choice:
        """Choose one of several, as often as they weigh."""
        return self._fate.choices(list(weights), list(weights.values()))[0]

    def contact(self) -> Contact:
        """Return where somebody is told, which nobody else has; it may not take what it is told."""
        who = self._contacts
        self._contacts += 1
        email = f"{self.weighted(_MAILBOXES)}+{self.seed}.{self._place}.{who}@example.com"
        digits = f"{self.seed % 100_000:05}{self._place:04}{who}"
        phone = f"+1{digits}{self.weighted(_PHONES)}"
        # Most have one of the two, some both, some neither.
        has_email, has_phone = self.happens(0.6), self.happens(0.3)
        return Contact(email if has_email else None, phone if has_phone else None)
