"""What a round does, as a pure function of its seed: operations, faults, who is killed when."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Final, TypeVar

Choice = TypeVar("Choice")

WALLETS: Final = 5
POOR_WALLET: Final = WALLETS
"""The index of the wallet that has money for a few payments only."""
OPERATIONS_MAX: Final = 10_000

KILLABLE: Final = (
    "postgres",
    "temporal",
    "api",
    "gateway",
    "bank",
    "fraud-scorer",
    "mail",
    "sms",
    "worker-operations-1",
    "worker-operations-2",
    "worker-fraud",
    "worker-notifications",
    "worker-providers",
    "worker-lanes",
)
"""The processes of `cli.machine`, by name."""

FINISHED: Final = frozenset({"succeeded", "failed", "cancelled"})

_KILL_DELAY_S_MAX: Final = 3.0
_CANCEL_DELAY_S_MAX: Final = 3.0
_CANCELLED: Final = 0.08
_POOR: Final = 0.05
_BULK: Final = 0.85
_FAULT_RATE_MAX: Final = 0.1

# What each token does is in docs/simulators.md. Those that take a quarter of a minute or more by
# design (`tok_down`, `tok_fraud_down`) are left out: they would hold up the round.
_TOKENS: Final = {
    "tok_ok": 300,
    "tok_flaky": 4,
    "tok_rate_limited": 2,
    "tok_flaky_after_effect": 4,
    "tok_cut_after_charge": 4,
    "tok_timeout_after_charge": 3,
    "tok_slow": 3,
    "tok_callback_before_response": 3,
    "tok_no_callback": 3,
    "tok_duplicate_callback": 4,
    "tok_late_callback": 2,
    "tok_fraud_slow": 2,
    "tok_fraud_flaky": 2,
    "tok_declined": 4,
    "tok_fails_later": 4,
    "tok_fraud": 4,
    "tok_never_confirmed": 2,
}
NEVER_SUCCEED: Final = frozenset(
    {"tok_declined", "tok_fails_later", "tok_fraud", "tok_never_confirmed"}
)
"""The tokens whose payments must not succeed, whatever else happens."""

_DESTINATIONS: Final = {
    "dest_ok": 40,
    "dest_flaky": 2,
    "dest_rate_limited": 1,
    "dest_error_after": 2,
    "dest_cut_after": 2,
    "dest_timeout": 1,
    "dest_slow": 1,
    "dest_declined": 1,
    "dest_fails": 1,
}
NEVER_PAID: Final = frozenset({"dest_declined", "dest_fails"})
"""The destinations whose transfers must not succeed."""

_MAILBOXES: Final = {"person": 45, "tempfail": 2, "cut": 2, "reject": 1}
REJECTING_MAILBOX: Final = "reject"
_PHONES: Final = {"9999": 40, "0002": 2, "0003": 2, "0004": 2, "0005": 1, "0006": 1, "0001": 1}
REJECTING_PHONE: Final = "0001"


class Sending(StrEnum):
    """How a client sends a request, each time with the same idempotency key."""

    ONCE = "once"
    AGAIN = "again"
    """A second time, when the first has been answered."""
    AT_ONCE = "at_once"
    """Twice at the same time."""


_SENDINGS: Final = {Sending.ONCE: 7, Sending.AGAIN: 2, Sending.AT_ONCE: 2}


class Audience(IntEnum):
    """Who is told; a digit of their phone numbers."""

    PAYER = 0
    PAYEE = 1
    CUSTOMER = 2


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
        cancel_after_s: How long after its acceptance it is cancelled; None: it is not.
        bulk: A lane carries it out, as long as nothing is in the way.
    """

    path: ClassVar[str]
    """Where the API takes it."""

    key: str
    wallet: int
    amount_minor: int
    sending: Sending
    cancel_after_s: float | None
    bulk: bool

    @property
    @abstractmethod
    def method(self) -> str:
        """What decides how its provider treats it."""

    @property
    @abstractmethod
    def never_succeeds(self) -> bool:
        """Whether it must not succeed, whatever else happens."""

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

    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """The payer hears of every end, the payee of a good one."""
        is_over = status in FINISHED
        return [(self.payer, is_over), (self.payee, status == "succeeded")]

    def details(self) -> dict[str, Any]:
        """Return the token and the parties."""
        return {
            "payment_method": self.payment_method,
            "payer": self.payer.party("Payer"),
            "payee": self.payee.party("Payee"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransfer(Planned):
    """A transfer to be made."""

    path: ClassVar[str] = "/v1/transfers"

    destination: str
    customer: Contact

    @property
    def method(self) -> str:
        """The destination."""
        return self.destination

    @property
    def never_succeeds(self) -> bool:
        """Whether the bank never pays it."""
        return self.destination in NEVER_PAID

    def contacts(self, status: str) -> Sequence[tuple[Contact, bool]]:
        """The customer hears of every end."""
        return [(self.customer, status in FINISHED)]

    def details(self) -> dict[str, Any]:
        """Return the destination and the customer."""
        return {"destination": self.destination, "customer": self.customer.party("Customer")}


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
class Plan:
    """A round.

    Args:
        deposits_minor: What is on each wallet at first; the last one is the poor one.
        operations: In the order in which they are sent.
        fault_rate: What part of the gateway's and the bank's answers, and of callbacks, goes wrong
            by chance.
    """

    seed: int
    customer_id: str
    deposits_minor: tuple[int, ...]
    operations: tuple[Planned, ...]
    kills: tuple[PlannedKill, ...]
    fault_rate: float


def plan_round(seed: int, *, payments: int, kills: int, transfers: int = 0) -> Plan:
    """Return the round of a seed: the same one, every time and everywhere."""
    assert 0 < payments + transfers <= OPERATIONS_MAX
    # Apart, so that more of one leaves the others as they are.
    dice, bank, order, fate = (
        random.Random(f"{what}:{seed}")  # noqa: S311
        for what in ("payments", "transfers", "order", "kills")
    )
    planned: list[Planned] = [
        *(_payment(dice, seed, number) for number in range(payments)),
        *(_transfer(bank, seed, number) for number in range(transfers)),
    ]
    if transfers:
        order.shuffle(planned)
    needed = sum(operation.amount_minor for operation in planned)
    return Plan(
        seed=seed,
        customer_id=f"cus_chaos_{seed}",
        deposits_minor=(*(needed for _ in range(WALLETS)), 20_000),
        operations=tuple(planned),
        kills=tuple(
            PlannedKill(
                fate.choice(KILLABLE),
                fate.randint(1, len(planned)),
                round(fate.uniform(0, _KILL_DELAY_S_MAX), 3),
            )
            for _ in range(kills)
        ),
        fault_rate=round(dice.uniform(0, _FAULT_RATE_MAX), 3),
    )


def _payment(dice: random.Random, seed: int, number: int) -> PlannedPayment:
    key = f"chaos-{seed}-{number}"
    cancelled = dice.random() < _CANCELLED
    return PlannedPayment(
        key=key,
        wallet=POOR_WALLET if dice.random() < _POOR else dice.randrange(WALLETS),
        amount_minor=dice.randint(1, 10_000),
        payment_method=_weighted(dice, _TOKENS),
        payer=_contact(dice, seed, number, Audience.PAYER),
        payee=_contact(dice, seed, number, Audience.PAYEE),
        sending=_weighted(dice, _SENDINGS),
        cancel_after_s=round(dice.uniform(0, _CANCEL_DELAY_S_MAX), 3) if cancelled else None,
        bulk=dice.random() < _BULK,
    )


def _transfer(dice: random.Random, seed: int, number: int) -> PlannedTransfer:
    cancelled = dice.random() < _CANCELLED
    return PlannedTransfer(
        key=f"chaos-{seed}-transfer-{number}",
        wallet=POOR_WALLET if dice.random() < _POOR else dice.randrange(WALLETS),
        amount_minor=dice.randint(1, 10_000),
        destination=_weighted(dice, _DESTINATIONS),
        customer=_contact(dice, seed, number, Audience.CUSTOMER),
        sending=_weighted(dice, _SENDINGS),
        cancel_after_s=round(dice.uniform(0, _CANCEL_DELAY_S_MAX), 3) if cancelled else None,
        bulk=dice.random() < _BULK,
    )


def _contact(dice: random.Random, seed: int, number: int, audience: Audience) -> Contact:
    email = f"{_weighted(dice, _MAILBOXES)}+{seed}.{number}.{audience.name.lower()}@example.com"
    digits = f"{seed % 100_000:05}{number:04}{audience.value}"
    phone = f"+1{digits}{_weighted(dice, _PHONES)}"
    # Most have one of the two, some both, some neither.
    has_email, has_phone = dice.random() < 0.6, dice.random() < 0.3
    return Contact(email if has_email else None, phone if has_phone else None)


def _weighted(dice: random.Random, weights: dict[Choice, int]) -> Choice:
    return dice.choices(list(weights), list(weights.values()))[0]
