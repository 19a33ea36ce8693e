"""What a round does, as a pure function of its seed: payments, faults, and who is killed when."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

Choice = TypeVar("Choice")

WALLETS: Final = 5
POOR_WALLET: Final = WALLETS
"""The index of the wallet that has money for a few payments only."""
PAYMENTS_MAX: Final = 10_000

KILLABLE: Final = (
    "postgres",
    "temporal",
    "api",
    "gateway",
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

_KILL_DELAY_S_MAX: Final = 3.0
_CANCEL_DELAY_S_MAX: Final = 3.0
_CANCELLED: Final = 0.12
_POOR: Final = 0.05
_BULK: Final = 0.8
_FAULT_RATE_MAX: Final = 0.1

# What each token does is in docs/simulators.md. Those that take a quarter of a minute or more by
# design (`tok_down`, `tok_fraud_down`) are left out: they would hold up the round.
_TOKENS: Final = {
    "tok_ok": 150,
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


@dataclass(frozen=True, slots=True)
class Contact:
    """Where somebody is told how a payment ended; unlike every other one's, so that mails count."""

    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """A payment to be made.

    Args:
        key: Its idempotency key, and its name in findings.
        wallet: The index of the account that pays.
        cancel_after_s: How long after its acceptance it is cancelled; None: it is not.
        bulk: A lane carries it out, as long as nothing is in the way.
    """

    key: str
    wallet: int
    amount_minor: int
    payment_method: str
    payer: Contact
    payee: Contact
    sending: Sending
    cancel_after_s: float | None
    bulk: bool


@dataclass(frozen=True, slots=True)
class PlannedKill:
    """A `kill -9`.

    Args:
        process: Whose, by name.
        after_payments: How many payments have been sent by then.
        delay_s: How much later it comes.
    """

    process: str
    after_payments: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A round.

    Args:
        deposits_minor: What is on each wallet at first; the last one is the poor one.
        fault_rate: What part of the gateway's answers and callbacks goes wrong by chance.
    """

    seed: int
    customer_id: str
    deposits_minor: tuple[int, ...]
    payments: tuple[PlannedPayment, ...]
    kills: tuple[PlannedKill, ...]
    fault_rate: float


def plan_round(seed: int, *, payments: int, kills: int) -> Plan:
    """Return the round of a seed: the same one, every time and everywhere."""
    assert 0 < payments <= PAYMENTS_MAX
    # Apart, so that more kills leave the payments as they are.
    dice, fate = random.Random(f"payments:{seed}"), random.Random(f"kills:{seed}")  # noqa: S311
    planned = tuple(_payment(dice, seed, number) for number in range(payments))
    needed = sum(payment.amount_minor for payment in planned)
    return Plan(
        seed=seed,
        customer_id=f"cus_chaos_{seed}",
        deposits_minor=(*(needed for _ in range(WALLETS)), 20_000),
        payments=planned,
        kills=tuple(
            PlannedKill(
                fate.choice(KILLABLE),
                fate.randint(1, payments),
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
        payer=_contact(dice, seed, number, "payer"),
        payee=_contact(dice, seed, number, "payee"),
        sending=_weighted(dice, _SENDINGS),
        cancel_after_s=round(dice.uniform(0, _CANCEL_DELAY_S_MAX), 3) if cancelled else None,
        bulk=dice.random() < _BULK,
    )


def _contact(dice: random.Random, seed: int, number: int, audience: str) -> Contact:
    email = f"{_weighted(dice, _MAILBOXES)}+{seed}.{number}.{audience}@example.com"
    digits = f"{seed % 100_000:05}{number:04}{int(audience == 'payee')}"
    phone = f"+1{digits}{_weighted(dice, _PHONES)}"
    # Most have one of the two, some both, some neither.
    has_email, has_phone = dice.random() < 0.6, dice.random() < 0.3
    return Contact(email if has_email else None, phone if has_phone else None)


def _weighted(dice: random.Random, weights: dict[Choice, int]) -> Choice:
    return dice.choices(list(weights), list(weights.values()))[0]
