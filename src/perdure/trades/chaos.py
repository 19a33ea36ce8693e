"""Trades as chaos makes them: by orders for assets of the round's own, all of one customer.

What came of them is compared with both services' books; see `chaos_figures`. Who looks after them
meanwhile is in `chaos_people`.
"""

from random import Random
from typing import Any, Final

from perdure.chaos.dice import Dice
from perdure.chaos.load import Load
from perdure.chaos.planned import Asked
from perdure.ledger.chart import SystemAccount
from perdure.trades.chaos_figures import OPENING_LOTS, OPENING_MINOR, UNSETTLED, look
from perdure.trades.chaos_people import FEE_BASIS_POINTS, attend, prepare
from perdure.trades.orders.model import fee_minor

PLAIN: Final = {"GEM": 6, "RELIC": 3, "STAMP": 3}
"""What most orders are for; the last two are treated as `chaos_people` tells the services."""
MISFORTUNES: Final = (
    *("flaky", "aborted", "busy", "exhausted", "unreachable", "error", "timeout", "cut"),
    *("internal", "cancelled", "exists", "slow"),
)
"""What the other assets' names begin with, some in each round; see docs/simulators.md."""
TERMS: Final[dict[str, int]] = {"gtc": 12, "ioc": 2, "fok": 1, "post_only": 1}
SELF_TRADES: Final = ("expire_taker", "expire_maker", "expire_both", "decrement")

_UNHAPPY_OF_A_ROUND: Final = 3
_PRICES_MINOR: Final = {"buy": 98, "sell": 95}
"""From where on, within so many: most that meet agree."""
_SPREAD_MINOR: Final = 8
_LOTS_MAX: Final = 10
_TOO_MANY_LOTS: Final = 10 * OPENING_LOTS
_SELLS_TOO_MUCH: Final = 0.03


def _assets(seed: int) -> dict[str, int]:
    """Return what is traded in a round, and how often."""
    names = Random(f"assets:{seed}").sample(MISFORTUNES, _UNHAPPY_OF_A_ROUND)  # noqa: S311
    return {f"{name}-{seed}": weight for name, weight in (PLAIN | dict.fromkeys(names, 1)).items()}


def _ask(dice: Dice) -> Asked:
    asset, terms = dice.weighted(_assets(dice.seed)), dice.weighted(TERMS)
    side = dice.choice(("buy", "sell"))
    price_minor = _PRICES_MINOR[side] + dice.number_below(_SPREAD_MINOR)
    lots = 1 + dice.number_below(_LOTS_MAX)
    if side == "sell" and dice.happens(_SELLS_TOO_MUCH):
        lots = _TOO_MANY_LOTS
    customer = dice.contact()
    body: dict[str, Any] = {
        "asset": asset,
        "side": side,
        "price_minor": price_minor,
        "quantity_lots": lots,
        "self_trade": dice.choice(SELF_TRADES),
        # It has no place of its own for what it was asked for with.
        "contact": customer.party(dice.key),
    }
    body |= {"post_only": True} if terms == "post_only" else {"time_in_force": terms}
    value_minor = price_minor * lots if side == "buy" else 0
    return Asked(
        amount_minor=value_minor + fee_minor(value_minor, FEE_BASIS_POINTS),
        method=f"{side} {asset} {terms}",
        body=body,
        customer=customer,
        is_refundable=False,
    )


LOAD: Final = Load(
    usual=40,
    by="orders",
    ask=_ask,
    taken_by=SystemAccount.ASSETS_CLEARING,
    books=(),
    settings={"PERDURE_ASSETS_TIMEOUT_S": "1", "PERDURE_WALLETS_TIMEOUT_S": "1"},
    options={
        "assets": ("--opening-lots", str(OPENING_LOTS), "--slow-s", "1.3"),
        "wallets": ("--opening-minor", str(OPENING_MINOR), "--slow-s", "1.3"),
    },
    prepare=prepare,
    attend=attend,
    unsettled=UNSETTLED,
    look=look,
)
