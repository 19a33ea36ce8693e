"""What a book answers: the events of its journal, in the order in which they came about.

As with commands, a field is only ever added at the end, with a default. Whatever `remaining_lots`
says holds after the event; an order with none left is over. One command's events tell how the order
stands: accepted, with something left and not cancelled, it is open.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from perdure.trades.book.commands import SelfTrade, Side

CancelReason = Literal["requested", "expired", "immediate_or_cancel", "fill_or_kill", "self_trade"]

RejectCode = Literal[
    "trading_halted",
    "invalid_order",
    "invalid_quantity",
    "quantity_too_large",
    "price_off_tick",
    "price_outside_band",
    "already_expired",
    "order_already_open",
    "would_take",
    "order_not_open",
    "quantity_already_filled",
    "invalid_instrument",
]

REJECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trading_halted": "Trading in the asset is halted; cancel, or wait until it goes on.",
        "invalid_order": "The order's terms contradict one another: only gtd has a time it is good"
        " until, and only gtc and gtd can be post-only.",
        "invalid_quantity": "A quantity is a whole number of lots, at least one.",
        "quantity_too_large": "The quantity is above the asset's largest for one order.",
        "price_off_tick": "The price is not a multiple of the asset's tick.",
        "price_outside_band": "The price is outside the band the asset is traded in.",
        "already_expired": "The time the order was good until is over.",
        "order_already_open": "An order with this id is open.",
        "would_take": "The order is post-only and would have been filled at once.",
        "order_not_open": "Too late: the order is not open any more.",
        "quantity_already_filled": "Too late: that much of the order has been filled.",
        "invalid_instrument": "The tick, the band or the largest quantity makes no sense.",
    }
)
"""Why the book says no, as it is told to whoever asked. A code never changes its meaning."""


class Accepted(NamedTuple):
    """A new order is in; what became of it at once follows.

    Args:
        priority: Its place among those of its price: the lower is earlier.
    """

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    quantity_lots: int
    priority: int


class Rejected(NamedTuple):
    """Nothing was changed. `order_id` is empty where the command is about none."""

    order_id: str
    code: RejectCode


class Filled(NamedTuple):
    """A trade, at the price of the maker: the order that was there first."""

    trade_number: int
    price_minor: int
    quantity_lots: int
    taker_side: Side
    taker_order_id: str
    taker_account_id: str
    taker_remaining_lots: int
    maker_order_id: str
    maker_account_id: str
    maker_remaining_lots: int

    @property
    def buy_order_id(self) -> str:
        """The buyer's order."""
        return self.taker_order_id if self.taker_side == "buy" else self.maker_order_id

    @property
    def sell_order_id(self) -> str:
        """The seller's order."""
        return self.maker_order_id if self.taker_side == "buy" else self.taker_order_id

    @property
    def buy_account_id(self) -> str:
        """The buyer's account."""
        return self.taker_account_id if self.taker_side == "buy" else self.maker_account_id

    @property
    def sell_account_id(self) -> str:
        """The seller's account."""
        return self.maker_account_id if self.taker_side == "buy" else self.taker_account_id


class Prevented(NamedTuple):
    """A trade of an account with itself that was not made.

    What is cancelled for it follows. Only `decrement` takes the quantity off both orders here.
    """

    mode: SelfTrade
    account_id: str
    price_minor: int
    quantity_lots: int
    taker_side: Side
    taker_order_id: str
    taker_remaining_lots: int
    maker_order_id: str
    maker_remaining_lots: int


class Replaced(NamedTuple):
    """An order has a new price or quantity.

    Args:
        quantity_lots: Of the whole order, with what was filled.
        priority: As it was if the order kept its place.
    """

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    quantity_lots: int
    remaining_lots: int
    priority: int


class Cancelled(NamedTuple):
    """An order is over, and this much of it was never filled."""

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    cancelled_lots: int
    reason: CancelReason


class InstrumentChanged(NamedTuple):
    """What comes in has to keep to this."""

    tick_minor: int
    price_low_minor: int
    price_high_minor: int
    quantity_max_lots: int


class HaltChanged(NamedTuple):
    """Trading stopped or goes on; said also if it already was so."""

    is_halted: bool


Event = (
    Accepted
    | Rejected
    | Filled
    | Prevented
    | Replaced
    | Cancelled
    | InstrumentChanged
    | HaltChanged
)
