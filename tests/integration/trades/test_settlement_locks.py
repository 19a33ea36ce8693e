"""Commits that settle trades of the same people wait for each other in one order, and no circle."""

import asyncio
from collections.abc import Sequence

from perdure.ledger.model import NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.steps import TransactionalSteps, from_json
from perdure.storage.pool import Connection
from perdure.trades.contracts import Blocked, SettleTrade, TradeInput
from perdure.trades.funding import TradeFunds

from .market import Market


class WatchedLedger(PostgresLedger):
    """Keeps what was locked ahead, and what was then posted, commit by commit."""

    def __init__(self) -> None:
        self.locked: list[list[str]] = []
        self.posted: list[list[str]] = []

    async def lock_for(
        self, session: Connection, hold_ids: Sequence[str], new: Sequence[NewTransfer], /
    ) -> None:
        self.locked.append([each.id for each in new])
        await super().lock_for(session, hold_ids, new)

    async def post_many(self, session: Connection, new: Sequence[NewTransfer], /) -> frozenset[str]:
        self.posted.append([each.id for each in new])
        return await super().post_many(session, new)


async def test_what_is_posted_with_settlements_is_what_was_locked_for_them(market: Market) -> None:
    """In that very order: the first says on which of an account's rows it is booked."""
    await market.account("ada", 100_000)
    for _ in range(12):
        await market.place("sal", "sell", 1, 100)
        await market.place("ada", "buy", 1, 100)
    trades = await market.write()
    ledger = WatchedLedger()
    funds = TradeFunds(market.pool, TransactionalSteps(market.pool), ledger)
    settled = [
        SettleTrade(from_json(TradeInput, trade.input), Blocked(trade.id, "delivered"))
        for trade in trades
    ]
    await asyncio.gather(*map(funds.settle, settled))
    assert ledger.posted == ledger.locked
    assert max(map(len, ledger.posted)) == 24
