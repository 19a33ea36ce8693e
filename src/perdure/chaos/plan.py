"""What a round does, as a pure function of its seed: operations, faults, who is killed when."""

import random
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from perdure.chaos.planned import (
    FINAL_TLD,
    Audience,
    Contact,
    Planned,
    PlannedPayment,
    PlannedRenewal,
    PlannedTransfer,
    Sending,
)

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
    "registries",
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
_CANCELLED: Final = 0.08
_REFUNDED: Final = 0.06
_READ_ONLY: Final = 0.25
"""How many of the rounds have a database that cannot be written to for a while."""
_READ_ONLY_S_MAX: Final = 5.0
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
    "tok_callback_lies_id": 2,
    "tok_callback_lies_amount": 2,
    "tok_callback_lies_currency": 2,
    "tok_callback_lies_reference": 2,
    "tok_callback_lies_status": 2,
    "tok_callback_lies_pending": 2,
    "tok_callback_lies_failed": 2,
    "tok_in_use": 2,
    "tok_other_amount": 1,
    "tok_unknown_status": 1,
    "tok_fraud_slow": 2,
    "tok_fraud_flaky": 2,
    "tok_declined": 4,
    "tok_fails_later": 4,
    "tok_fraud": 4,
    "tok_never_confirmed": 2,
}
_DESTINATIONS: Final = {
    "dest_ok": 40,
    "dest_flaky": 2,
    "dest_rate_limited": 1,
    "dest_error_after": 2,
    "dest_cut_after": 2,
    "dest_timeout": 1,
    "dest_slow": 1,
    "dest_in_use": 1,
    "dest_other_amount": 1,
    "dest_unknown_status": 1,
    "dest_declined": 1,
    "dest_fails": 1,
}

_NAMES: Final = {
    "shop": 20,
    "flaky": 1,
    "busy": 1,
    "error": 1,
    "cut": 1,
    "timeout": 1,
    "slow": 1,
    "inuse": 1,
    "locked": 1,
    "unregistered": 1,
}
"""What a domain's name begins with; see docs/simulators.md."""
_PRICES_MINOR: Final = {"info": 1499, "fr": 899, "com": 1199}
"""What a registry takes for a year."""

_MAILBOXES: Final = {"person": 45, "tempfail": 2, "cut": 2, "reject": 1}
REJECTING_MAILBOX: Final = "reject"
_PHONES: Final = {"9999": 40, "0002": 2, "0003": 2, "0004": 2, "0005": 1, "0006": 1, "0001": 1}
REJECTING_PHONE: Final = "0001"

_SENDINGS: Final = {Sending.ONCE: 7, Sending.AGAIN: 2, Sending.AT_ONCE: 2}


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
        fault_rate: What part of the gateway's, the bank's and the registries' answers, and of
            callbacks, goes wrong by chance.
    """

    seed: int
    customer_id: str
    deposits_minor: tuple[int, ...]
    operations: tuple[Planned, ...]
    kills: tuple[PlannedKill, ...]
    fault_rate: float
    read_only: PlannedReadOnly | None = None


def plan_round(
    seed: int, *, payments: int, kills: int, transfers: int = 0, renewals: int = 0
) -> Plan:
    """Return the round of a seed: the same one, every time and everywhere."""
    assert 0 < payments + transfers + renewals <= OPERATIONS_MAX
    # Apart, so that more of one leaves the others as they are.
    dice, bank, names, order, fate = (
        random.Random(f"{what}:{seed}")  # noqa: S311
        for what in ("payments", "transfers", "renewals", "order", "kills")
    )
    planned: list[Planned] = [
        *(_payment(dice, seed, number) for number in range(payments)),
        *(_transfer(bank, seed, number) for number in range(transfers)),
        *(_renewal(names, seed, number) for number in range(renewals)),
    ]
    if transfers or renewals:
        order.shuffle(planned)
    needed = sum(operation.amount_minor for operation in planned)
    return Plan(
        seed=seed,
        customer_id=f"cus_chaos_{seed}",
        deposits_minor=(*(needed for _ in range(WALLETS)), 20_000),
        operations=tuple(planned),
        kills=tuple(_kill(fate, len(planned)) for _ in range(kills)),
        fault_rate=round(dice.uniform(0, _FAULT_RATE_MAX), 3),
        read_only=_read_only(fate, len(planned)) if kills else None,
    )


def _kill(fate: random.Random, operations: int) -> PlannedKill:
    return PlannedKill(
        fate.choice(KILLABLE),
        fate.randint(1, operations),
        round(fate.uniform(0, _KILL_DELAY_S_MAX), 3),
    )


def _read_only(fate: random.Random, operations: int) -> PlannedReadOnly | None:
    if fate.random() >= _READ_ONLY:
        return None
    return PlannedReadOnly(fate.randint(1, operations), round(fate.uniform(1, _READ_ONLY_S_MAX), 3))


def _payment(dice: random.Random, seed: int, number: int) -> PlannedPayment:
    return PlannedPayment(
        amount_minor=dice.randint(1, 10_000),
        payment_method=_weighted(dice, _TOKENS),
        payer=_contact(dice, seed, number, Audience.PAYER),
        payee=_contact(dice, seed, number, Audience.PAYEE),
        **_common(dice, f"chaos-{seed}-{number}"),
    )


def _transfer(dice: random.Random, seed: int, number: int) -> PlannedTransfer:
    return PlannedTransfer(
        amount_minor=dice.randint(1, 10_000),
        destination=_weighted(dice, _DESTINATIONS),
        owner=_contact(dice, seed, number, Audience.CUSTOMER),
        **_common(dice, f"chaos-{seed}-transfer-{number}"),
    )


def _renewal(dice: random.Random, seed: int, number: int) -> PlannedRenewal:
    tld, begins = dice.choice(list(_PRICES_MINOR)), _weighted(dice, _NAMES)
    common = _common(dice, f"chaos-{seed}-renewal-{number}")
    return PlannedRenewal(
        amount_minor=_PRICES_MINOR[tld],
        domain=f"{begins}-{seed}-{number}.{tld}",
        owner=_contact(dice, seed, number, Audience.OWNER),
        **common | {"refunded": common["refunded"] and tld != FINAL_TLD},
    )


def _common(dice: random.Random, key: str) -> dict[str, Any]:
    """Return what every planned operation has."""
    cancelled = dice.random() < _CANCELLED
    return {
        "key": key,
        "wallet": POOR_WALLET if dice.random() < _POOR else dice.randrange(WALLETS),
        "sending": _weighted(dice, _SENDINGS),
        "cancel_after_s": round(dice.uniform(0, _CANCEL_DELAY_S_MAX), 3) if cancelled else None,
        "bulk": dice.random() < _BULK,
        "refunded": dice.random() < _REFUNDED,
    }


def _contact(dice: random.Random, seed: int, number: int, audience: Audience) -> Contact:
    email = f"{_weighted(dice, _MAILBOXES)}+{seed}.{number}.{audience.name.lower()}@example.com"
    digits = f"{seed % 100_000:05}{number:04}{audience.value}"
    phone = f"+1{digits}{_weighted(dice, _PHONES)}"
    # Most have one of the two, some both, some neither.
    has_email, has_phone = dice.random() < 0.6, dice.random() < 0.3
    return Contact(email if has_email else None, phone if has_phone else None)


def _weighted(dice: random.Random, weights: dict[Choice, int]) -> Choice:
    return dice.choices(list(weights), list(weights.values()))[0]
