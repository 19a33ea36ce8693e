"""An order while it is in a book, or just coming in."""

from dataclasses import dataclass
from typing import Final

from perdure.trades.book.commands import SelfTrade, Side
from perdure.trades.book.events import Cancelled, CancelReason, Replaced
from perdure.trades.book.snapshot import OpenOrder

new_event: Final = tuple.__new__
"""Makes an event in half the time: there are about as many of them as there are commands."""


@dataclass(slots=True, eq=False)
class Order:
    """One that is in the book, or just coming in: what changes of it changes here."""

    order_id: str
    account_id: str
    side: Side
    price_minor: int
    quantity_lots: int
    remaining_lots: int
    priority: int
    post_only: bool
    self_trade: SelfTrade
    expires_at_ms: int | None

    def give_up(self, reason: CancelReason) -> Cancelled:
        """Say that what is left of it is not to be filled; it is in the book no more."""
        left_lots, self.remaining_lots = self.remaining_lots, 0
        return new_event(
            Cancelled,
            (self.order_id, self.account_id, self.side, self.price_minor, left_lots, reason),
        )

    def replaced(self) -> Replaced:
        """Say how it stands now."""
        return Replaced(
            self.order_id,
            self.account_id,
            self.side,
            self.price_minor,
            self.quantity_lots,
            self.remaining_lots,
            self.priority,
        )

    def row(self) -> OpenOrder:
        """Return it as it is stored."""
        return OpenOrder(*[getattr(self, name) for name in OpenOrder._fields])
