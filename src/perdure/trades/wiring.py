"""Trades, in every process: how their assets' writers take them in."""

from perdure.capability.wiring import Host, Wiring
from perdure.operations.lanes.store import lane_of
from perdure.operations.waiting import Patience
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import (
    ASSETS,
    ASSETS_UNAVAILABLE,
    WALLETS,
    WALLETS_UNAVAILABLE,
    TradeRequest,
)
from perdure.trades.orders.service import Orders
from perdure.trades.process import BLOCK_ASSET, DELIVER_ASSET, MOVE_MONEY
from perdure.trades.settings import TradeSettings


def wire(host: Host) -> Wiring:
    """Return what takes trades in."""
    patience_s = host.settings.of(TradeSettings).trade_patience_s

    def lane_for(request: TradeRequest) -> int:
        return lane_of(request.buyer_customer_id, host.settings.lanes)

    return Wiring(
        actions=TradeAcceptance(host.ledger, host.routing),
        providers=[ASSETS, WALLETS],
        patience={
            BLOCK_ASSET.row_name: Patience(patience_s, ASSETS_UNAVAILABLE),
            MOVE_MONEY.row_name: Patience(patience_s, WALLETS_UNAVAILABLE),
            DELIVER_ASSET.row_name: Patience(patience_s, ASSETS_UNAVAILABLE),
        },
        lane_for=lane_for,
        own=[Orders(host.pool, host.ledger)],
    )
