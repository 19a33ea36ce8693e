"""Trades: assets and money exchanged, delivery versus payment."""

from functools import partial
from typing import Final

from perdure.capability.declaration import Capability, Code
from perdure.core.text import check_identifier, check_text
from perdure.flags.model import Attribute
from perdure.trades.contracts import ID_PREFIX, KIND, WORKFLOW, TradeRequest
from perdure.trades.tables import CUSTOMERS_ROWS, INDEXES

TRADES: Final = Capability(
    name=KIND,
    plural="trades",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Trades: assets and money exchanged, delivery versus payment.",
    request=TradeRequest,
    wire="perdure.trades.wiring:wire",
    work="perdure.trades.registration:work",
    calls=(
        "perdure.trades.services.assets:ASSETS_ROLE",
        "perdure.trades.services.wallets:WALLETS_ROLE",
    ),
    is_created=False,
    tags={
        "orders": "Orders to buy and sell assets, and each asset's book.",
        "instruments": "What each asset is traded by.",
    },
    scopes=("trades:read", "orders:read", "orders:write"),
    house_scopes=("instruments:write",),
    codes={
        "asset_not_found": Code(404, "The asset is not traded here."),
        "order_not_found": Code(404, "There is no such order, or not for this key."),
        "order_ended": Code(409, "Too late: the order is filled, or not open any more."),
        "order_rejected": Code(402, "The asset service does not set the asset aside."),
        "invalid_price": Code(400, "The price is not a whole number of minor units there is."),
        "invalid_quantity": Code(400, "The quantity is not a whole number of lots there is."),
        "quantity_too_large": Code(400, "The quantity is above the asset's largest."),
        "price_off_tick": Code(400, "The price is not a multiple of the asset's tick."),
        "price_outside_band": Code(400, "The price is outside the band it is traded in."),
        "invalid_order": Code(400, "The order's terms contradict one another."),
        "already_expired": Code(400, "The time it is good until is over."),
        "reservation_too_small": Code(400, "No more of the asset is set aside for the order."),
        "trading_halted": Code(409, "Trading in the asset is halted."),
        "would_take": Code(409, "It is post-only, and would be filled at once."),
        "invalid_instrument": Code(400, "The tick, the band or the largest makes no sense."),
        "invalid_fee": Code(400, "The fee is out of range."),
        "currency_fixed": Code(409, "The asset is traded in another currency."),
    },
    has_lane=True,
    engine_flag="trades-engine",
    routed_by=(
        Attribute("asset", "Assets", partial(check_text, "asset")),
        Attribute(
            "account", "Accounts, the buyer's or the seller's", partial(check_identifier, "account")
        ),
    ),
    legacy="perdure.trades.legacy.way:WAY",
    indexes=INDEXES,
    customers_rows=CUSTOMERS_ROWS,
    invariants="perdure.trades.verify:INVARIANTS",
    routes=(
        "perdure.trades.routes:router",
        "perdure.trades.orders.routes:orders",
        "perdure.trades.orders.book_routes:books",
        "perdure.trades.orders.book_routes:instruments",
    ),
    groups={
        "trades": "perdure.trades.commands:trades",
        "orders": "perdure.trades.orders.commands:orders",
        "books": "perdure.trades.orders.commands:books",
        "instruments": "perdure.trades.orders.commands:instruments",
    },
    doctor="perdure.trades.orders.doctor:look",
    books=("perdure.trades.verify:ASSET_BOOKS", "perdure.trades.verify:WALLET_BOOKS"),
    traces="perdure.trades.traces:TradeTraces",
    chaos="perdure.trades.chaos:LOAD",
    demo="perdure.trades.demo:trades",
)
