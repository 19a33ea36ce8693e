"""The operations of a round, as they are planned: what is asked for, and what must come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})
WALLETS: Final = 5
POOR_WALLET: Final = WALLETS
"""The index of the wallet that has money for a few operations only."""


class Sending(StrEnum):
    """How a client sends a request, each time with the same idempotency key."""

    ONCE = "once"
    AGAIN = "again"
    """A second time, when the first has been answered."""
    AT_ONCE = "at_once"
    """Twice at the same time."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Where somebody is told how it ended; unlike every other one's, so that mails count."""

    email: str | None
    phone: str | None

    def party(self, name: str) -> dict[str, Any]:
        """Return it as a request has it."""
        return {"name": name, "email": self.email, "phone": self.phone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an operation of some kind asks for, and what must come of it.

    Args:
        amount_minor: What it moves where it succeeds, in USD.
        method: What decides how its provider treats it, as findings name it.
        body: What its request has beside what every kind's has.
        customer: Who pays, and is told of every end, and of a refund.
        others: Who else is told, of a good end only.
        never_succeeds: It must not succeed, whatever else happens.
        parks: It waits for a person, who calls it off.
        may_stand: It may succeed although its cancellation was accepted.
        is_refundable: Its provider gives it back.
    """

    amount_minor: int
    method: str
    body: Mapping[str, Any]
    customer: Contact
    others: tuple[Contact, ...] = ()
    never_succeeds: bool = False
    parks: bool = False
    may_stand: bool = False
    is_refundable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An operation to be made.

    Args:
        kind: Its kind's plural.
        key: Its idempotency key, and its name in findings.
        wallet: The index of the account that pays.
        cancel_after_s: How long after its acceptance it is cancelled; None: it is not.
        bulk: A lane carries it out, as long as nothing is in the way.
        refunded: It is refunded once it has succeeded.
        by: What is asked for in place of an operation; empty: it is one.
    """

    kind: str
    key: str
    asked: Asked
    wallet: int
    sending: Sending
    cancel_after_s: float | None
    bulk: bool
    refunded: bool
    by: str = ""

    @property
    def path(self) -> str:
        """Where the API takes it."""
        return f"/v1/{self.by or self.kind}"

    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """Return whom it concerns, and whether they are told of this end."""
        return [
            (self.asked.customer, status in FINISHED),
            *((other, status == "succeeded") for other in self.asked.others),
        ]


@dataclass(frozen=True, slots=True)
class PlannedKill:
    """A `kill -9`.

    Args:
        process: Whose, by name.
        after: How many operations have been sent by then.
        delay_s: How much later it comes.
    """

    process: str
    after: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class PlannedReadOnly:
    """A database that cannot be written to for a while, as after a failover.

    Args:
        after: How many operations have been sent by then.
    """

    after: int
    for_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A round.

    Args:
        deposits_minor: What is on each wallet at first; the last one is the poor one.
        operations: In the order in which they are sent.
        fault_rate: What part of the answers of providers, and of callbacks, goes wrong by chance.
    """

    seed: int
    customer_id: str
    deposits_minor: tuple[int, ...]
    operations: tuple[Planned, ...]
    kills: tuple[PlannedKill, ...]
    fault_rate: float
    read_only: PlannedReadOnly | None = None
