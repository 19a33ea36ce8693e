"""The trades of the benchmark: seeded orders to buy, each filled by one that is there to sell.

Each asset is sold by one, whose order rests in the book and is as large as all that is bought of it
together; whoever buys takes a part of it, at its price.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from bench.saga import ACCOUNTS, CURRENCY, Saga, customer_id
from perdure.trades.contracts import TradeRequest
from perdure.trades.orders.model import fee_minor

ASSETS: Final = 200
FEE_BASIS_POINTS: Final = 25
LOTS_MAX: Final = 20
RESERVED_LOTS: Final = 1_000_000_000
"""What each order to sell has set aside."""


def seller_of(asset: int) -> int:
    """Return whose account sells an asset."""
    return asset * (ACCOUNTS // ASSETS)


def asset_name(asset: int) -> str:
    """Return what an asset is called."""
    return f"GEM{asset}"


def sell_order_id(asset: int) -> str:
    """Return the order that sells it."""
    return f"ord_bench_sell_{asset}"


def trade_of(saga: Saga, account_ids: Sequence[str]) -> TradeRequest:
    """Return what the order to buy of a number has agreed; always the same."""
    chance = Random(saga.number)  # noqa: S311
    asset = chance.randrange(ASSETS)
    seller = seller_of(asset)
    buyer = (seller + chance.randrange(1, ACCOUNTS)) % ACCOUNTS  # anybody else
    lots, price_minor = chance.randint(1, LOTS_MAX), 900 + asset
    fee = fee_minor(lots * price_minor, FEE_BASIS_POINTS)
    return TradeRequest(
        asset=asset_name(asset),
        quantity_lots=lots,
        price_minor=price_minor,
        currency=CURRENCY,
        trade_number=saga.number + 1,
        buy_order_id=f"ord_bench_buy_{saga.number}",
        buyer_customer_id=customer_id(buyer),
        buyer_account_id=account_ids[buyer],
        buyer_fee_minor=fee,
        sell_order_id=sell_order_id(asset),
        seller_customer_id=customer_id(seller),
        seller_account_id=account_ids[seller],
        seller_fee_minor=fee,
    )
