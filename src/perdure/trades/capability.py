"""Trades: assets and money exchanged, delivery versus payment."""

from typing import Final

from perdure.capability.declaration import Capability
from perdure.trades.contracts import ID_PREFIX, KIND, WORKFLOW, TradeRequest

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
    has_lane=True,
    engine_flag="trades-engine",
    legacy="perdure.trades.legacy.way:WAY",
    invariants="perdure.trades.verify:INVARIANTS",
    books=("perdure.trades.verify:ASSET_BOOKS", "perdure.trades.verify:WALLET_BOOKS"),
)
