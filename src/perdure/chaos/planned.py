"""The operations of a round, as they are planned: what is asked for, and what must come of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Final

FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})

PARKS: Final = frozenset(
    {"tok_other_amount", "tok_unknown_status", "dest_other_amount", "dest_unknown_status"}
)
"""What has the provider do something else than it was asked: a person looks, and calls it off."""
NEVER_SUCCEED: Final = PARKS | {
    "tok_declined",
    "tok_fails_later",
    "tok_fraud",
    "tok_never_confirmed",
}
"""The tokens whose payments must not succeed, whatever else happens."""
NEVER_PAID: Final = PARKS | {"dest_declined", "dest_fails"}
"""The destinations whose transfers must not succeed."""
NEVER_RENEWED: Final = frozenset({"locked", "unregistered"})
"""What a domain's name begins with whose renewal must not succeed."""
FINAL_TLD: Final = "fr"
"""Its registry takes no renewal back: one that is cancelled too late stands, and is paid for."""


class Sending(StrEnum):
    """How a client sends a request, each time with the same idempotency key."""

    ONCE = "once"
    AGAIN = "again"
    """A second time, when the first has been answered."""
    AT_ONCE = "at_once"
    """Twice at the same time."""


class Audience(IntEnum):
    """Who is told; a digit of their phone numbers."""

    PAYER = 0
    PAYEE = 1
    CUSTOMER = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Contact:
    """Where somebody is told how a payment ended; unlike every other one's, so that mails count."""

    email: str | None
    phone: str | None

    def party(self, name: str) -> dict[str, Any]:
        """Return it as a request has it."""
        return {"name": name, "email": self.email, "phone": self.phone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(ABC):
    """An operation to be made.

    Args:
        key: Its idempotency key, and its name in findings.
        wallet: The index of the account that pays.
        amount_minor: What it moves where it succeeds.
        cancel_after_s: How long after its acceptance it is cancelled; None: it is not.
        bulk: A lane carries it out, as long as nothing is in the way.
        refunded: It is refunded once it has succeeded.
    """

    path: ClassVar[str]
    """Where the API takes it."""

    key: str
    wallet: int
    amount_minor: int
    sending: Sending
    cancel_after_s: float | None
    bulk: bool
    refunded: bool

    @property
    @abstractmethod
    def method(self) -> str:
        """What decides how its provider treats it."""

    @property
    @abstractmethod
    def never_succeeds(self) -> bool:
        """Whether it must not succeed, whatever else happens."""

    @property
    def parks(self) -> bool:
        """Whether it waits for a person, who calls it off."""
        return self.method in PARKS

    @property
    def may_stand(self) -> bool:
        """Whether it may succeed although its cancellation was accepted."""
        return False

    @property
    @abstractmethod
    def customer(self) -> Contact:
        """Who pays, and is told of a refund."""

    @abstractmethod
    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """Return whom it concerns, and whether they are told of this end."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """Return what the body of its request has beside what all have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPayment(Planned):
    """A payment to be made."""

    path: ClassVar[str] = "/v1/payments"

    payment_method: str
    payer: Contact
    payee: Contact

    @property
    def method(self) -> str:
        """The token."""
        return self.payment_method

    @property
    def never_succeeds(self) -> bool:
        """Whether the gateway never collects it."""
        return self.payment_method in NEVER_SUCCEED

    @property
    def customer(self) -> Contact:
        """The payer."""
        return self.payer

    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """The payer hears of every end, the payee of a good one."""
        is_over = status in FINISHED
        return [(self.payer, is_over), (self.payee, status == "succeeded")]

    def details(self) -> dict[str, Any]:
        """Return the amount, the token and the parties."""
        return {
            "amount_minor": self.amount_minor,
            "currency": "USD",
            "payment_method": self.payment_method,
            "payer": self.payer.party("Payer"),
            "payee": self.payee.party("Payee"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedForOwner(Planned):
    """What concerns nobody but the owner of the account that pays."""

    owner: Contact

    @property
    def customer(self) -> Contact:
        """The account's owner."""
        return self.owner

    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """The owner hears of every end."""
        return [(self.owner, status in FINISHED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransfer(PlannedForOwner):
    """A transfer to be made."""

    path: ClassVar[str] = "/v1/transfers"

    destination: str

    @property
    def method(self) -> str:
        """The destination."""
        return self.destination

    @property
    def never_succeeds(self) -> bool:
        """Whether the bank never pays it."""
        return self.destination in NEVER_PAID

    def details(self) -> dict[str, Any]:
        """Return the amount, the destination and the owner."""
        return {
            "amount_minor": self.amount_minor,
            "currency": "USD",
            "destination": self.destination,
            "customer": self.owner.party("Customer"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRenewal(PlannedForOwner):
    """A renewal to be made; its amount is what the registry's price comes to."""

    path: ClassVar[str] = "/v1/renewals"

    domain: str

    @property
    def tld(self) -> str:
        """Whose registry has the domain."""
        return self.domain.rpartition(".")[2]

    @property
    def method(self) -> str:
        """What the domain's name begins with, and its registry."""
        return f"{self.domain.partition('-')[0]} at .{self.tld}"

    @property
    def never_succeeds(self) -> bool:
        """Whether the registry never renews it."""
        return self.domain.partition("-")[0] in NEVER_RENEWED

    @property
    def may_stand(self) -> bool:
        """Whether the registry keeps what was renewed."""
        return self.tld == FINAL_TLD

    def details(self) -> dict[str, Any]:
        """Return the domain and its owner."""
        return {"domain": self.domain, "customer": self.owner.party("Owner")}
