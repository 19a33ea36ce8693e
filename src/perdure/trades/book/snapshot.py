"""A book as others see it: its open orders, as they are stored, and what there is at each price."""

from typing import NamedTuple

from perdure.trades.book.commands import Instrument, SelfTrade, Side


class OpenOrder(NamedTuple):
    """An order that is open, as it is stored and as a book is rebuilt from it.

    Args:
        quantity_lots: Of the whole order, with what was filled.
        priority: The sequence number of the command that put it where it is.
    """

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    quantity_lots: int
    remaining_lots: int
    priority: int
    post_only: bool = False
    self_trade: SelfTrade = "expire_taker"
    expires_at_ms: int | None = None


class Level(NamedTuple):
    """All that is open at one price."""

    price_minor: int
    quantity_lots: int
    orders: int


class Snapshot(NamedTuple):
    """All there is to a book; the orders by priority."""

    sequence: int
    trade_number: int
    is_halted: bool
    instrument: Instrument
    orders: tuple[OpenOrder, ...]
