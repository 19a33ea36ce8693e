"""What an operations worker does for orders beside its queue."""

import asyncio
from collections.abc import Sequence
from typing import Final

from perdure.capability.wiring import WorkerHost
from perdure.core.gears import AskedGear
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import KIND, TradeRequest
from perdure.trades.orders.matcher import Matcher
from perdure.trades.orders.reservations import AssetReservations
from perdure.trades.orders.writer import AssetWriter
from perdure.trades.services.assets import AssetService

FLOOD_MIN: Final = 20
"""So many trades of one batch are a flood, and go in lanes."""


class Matching:
    """Writes the books that this process has, and looks after what is set aside for sells."""

    def __init__(self, host: WorkerHost, assets: AssetService) -> None:
        acceptance = host.own(TradeAcceptance)

        def lanes_of(trades: Sequence[TradeRequest]) -> list[int | None]:
            gear = AskedGear.FLOOD if len(trades) >= FLOOD_MIN else None
            return [host.lane_in(gear, KIND, trade) for trade in trades]

        def writer_of(asset: str, name: str) -> AssetWriter:
            return AssetWriter(host.pool, host.ledger, acceptance, lanes_of, asset=asset, name=name)

        self._matcher = Matcher(host.pool, writer_of, host.hear, host.begin)
        self._reservations = AssetReservations(host.pool, assets, host.hear)

    async def run(self, stop: asyncio.Event) -> None:
        """Do so until told to stop."""
        await asyncio.gather(self._matcher.run(stop), self._reservations.run(stop))
