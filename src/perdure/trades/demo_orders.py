"""The orders of the demo: buys and sells that cross, of every term, and some that are refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from perdure.core.clock import utc_now

ASSETS: Final = {"GEM": "USD", "RELIC": "USD", "STAMP": "USD", "WINE": "EUR"}
"""What is traded, and in which currency."""
DOOMED: Final = "RELIC"
"""From some time on it cannot be delivered."""

_PRICES_MINOR: Final = (970, 1_030)
_LOTS_MAX: Final = 20
_GOOD_FOR_S: Final = 2.0
_SELF_TRADES: Final = ("expire_taker", "expire_maker", "expire_both", "decrement")
_OF_EACH: Final = 20
"""Of so many orders these have something of their own, by their places; the others are plain."""
_TERMS: Final[dict[int, dict[str, Any]]] = {
    1: {"time_in_force": "ioc"},
    3: {"time_in_force": "fok"},
    5: {"post_only": True},
    7: {"time_in_force": "gtd"},
}
_CANCELLED: Final = frozenset({9, 10, 11, 12})
_ALL_OF_ONE: Final = frozenset({13, 14, 15})
_OF_A_PAUPER: Final = frozenset({17})
_MISTAKEN: Final = 18
_SEED: Final = 14


@dataclass(frozen=True, slots=True)
class Trader:
    """Who trades.

    Args:
        accounts: By currency.
    """

    customer_id: str
    accounts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """An order to be placed.

    Args:
        body: As the API takes it.
        good_for_s: How long it stays; None: as its body says.
        is_cancelled: It is cancelled as soon as it is in, while others may be filling it.
    """

    body: dict[str, Any] = field(default_factory=dict)
    good_for_s: float | None = None
    is_cancelled: bool = False

    def body_now(self) -> dict[str, Any]:
        """Return what is asked for, if it is placed now."""
        if self.good_for_s is None:
            return self.body
        expires_at = utc_now() + timedelta(seconds=self.good_for_s)
        return self.body | {"expires_at": expires_at.isoformat()}


def plan_orders(count: int, traders: Sequence[Trader], pauper: Trader) -> Iterator[Planned]:
    """Yield the orders of the demo, always the same.

    Args:
        pauper: Who has neither money nor assets.
    """
    draw = Random(_SEED)  # noqa: S311 - it is to be the same each time
    low, high = _PRICES_MINOR
    for number in range(count):
        which, turn = number % _OF_EACH, number // _OF_EACH
        trader = draw.choice(traders)
        if which in _ALL_OF_ONE:
            trader = traders[0]  # whose own orders are in the way
        elif which in _OF_A_PAUPER:
            trader = pauper
        asset, currency = draw.choice([*ASSETS.items()])
        body: dict[str, Any] = {
            "customer_id": trader.customer_id,
            "account_id": trader.accounts[currency],
            "asset": asset,
            "side": draw.choice(("buy", "sell")),
            "price_minor": draw.randint(low, high),
            "quantity_lots": draw.randint(1, _LOTS_MAX),
            "reference": f"demo-{number}",
        }
        if which in _ALL_OF_ONE:
            body["self_trade"] = _SELF_TRADES[turn % len(_SELF_TRADES)]
        elif which == _MISTAKEN:
            body |= {"price_minor": 0} if turn % 2 else {"asset": "PHLOGISTON"}
        terms = _TERMS.get(which, {})
        yield Planned(
            body | terms,
            good_for_s=_GOOD_FOR_S if terms.get("time_in_force") == "gtd" else None,
            is_cancelled=which in _CANCELLED,
        )
