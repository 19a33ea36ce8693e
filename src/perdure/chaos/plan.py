"""What a round does, as a pure function of its seed: operations, faults, who is killed when."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from perdure.chaos.dice import Dice, round_customer_id
from perdure.chaos.load import Load, loads
from perdure.chaos.planned import (
    POOR_WALLET,
    WALLETS,
    Plan,
    Planned,
    PlannedKill,
    PlannedReadOnly,
    Sending,
)

OPERATIONS_MAX: Final = 10_000

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
_SENDINGS: Final = {Sending.ONCE: 7, Sending.AGAIN: 2, Sending.AT_ONCE: 2}


def plan_round(
    seed: int, operations: Mapping[str, int], *, kills: int = 0, processes: Sequence[str] = ()
) -> Plan:
    """Return the round of a seed: the same one, every time and everywhere.

    Args:
        operations: How many of each kind it makes, by the kinds' plurals.
        processes: Whose kills there may be, by name.
    """
    assert 0 < sum(operations.values()) <= OPERATIONS_MAX
    order, faults, fate = (_random(what, seed) for what in ("order", "faults", "kills"))
    planned: list[Planned] = []
    for kind, load in loads().items():
        # Apart, so that more of one leaves the others as they are.
        of_kind, before = _random(kind, seed), len(planned)
        for number in range(operations.get(kind, 0)):
            dice = Dice(of_kind, kind, seed=seed, number=number, place=before + number)
            planned.append(_planned(kind, load, dice))
    order.shuffle(planned)
    needed = sum(each.asked.amount_minor for each in planned)
    return Plan(
        seed=seed,
        customer_id=round_customer_id(seed),
        deposits_minor=(*(needed for _ in range(WALLETS)), 20_000),
        operations=tuple(planned),
        kills=tuple(_kill(fate, len(planned), processes) for _ in range(kills)),
        fault_rate=round(faults.uniform(0, _FAULT_RATE_MAX), 3),
        read_only=_read_only(fate, len(planned)) if kills else None,
    )


def _random(what: str, seed: int) -> random.Random:
    return random.Random(f"{what}:{seed}")  # noqa: S311 - reproducible


def _kill(fate: random.Random, operations: int, processes: Sequence[str]) -> PlannedKill:
    return PlannedKill(
        fate.choice(processes),
        fate.randint(1, operations),
        round(fate.uniform(0, _KILL_DELAY_S_MAX), 3),
    )


def _read_only(fate: random.Random, operations: int) -> PlannedReadOnly | None:
    if fate.random() >= _READ_ONLY:
        return None
    return PlannedReadOnly(fate.randint(1, operations), round(fate.uniform(1, _READ_ONLY_S_MAX), 3))


def _planned(kind: str, load: Load, dice: Dice) -> Planned:
    asked = load.ask(dice)
    cancelled = dice.happens(_CANCELLED)
    return Planned(
        kind=kind,
        key=dice.key,
        asked=asked,
        wallet=POOR_WALLET if dice.happens(_POOR) else dice.number_below(WALLETS),
        sending=dice.weighted(_SENDINGS),
        cancel_after_s=dice.seconds(_CANCEL_DELAY_S_MAX) if cancelled else None,
        bulk=dice.happens(_BULK),
        refunded=dice.happens(_REFUNDED) and asked.is_refundable,
        by=load.by,
    )
