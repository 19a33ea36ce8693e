"""What a book's events mean for the orders they are about. It knows no database.

Each command's events are applied to the orders as the writer has them in memory; what is then to be
written, held, released and traded is read off them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perdure.trades.book.events import (
    Accepted,
    Cancelled,
    Event,
    Filled,
    Prevented,
    Rejected,
    Replaced,
)
from perdure.trades.contracts import TradeRequest
from perdure.trades.orders.model import Order


@dataclass(slots=True)
class Batch:
    """What commands that share a commit have changed.

    Args:
        orders: Those that are known, by id.
        touched: Those that changed, in the order of their first change.
        trades: What was agreed.
        traceparents: Of the trace of each: of the order that came in and made it.
    """

    orders: Mapping[str, Order]
    touched: dict[str, Order] = field(default_factory=dict)
    trades: list[TradeRequest] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)

    def apply(self, events: Iterable[Event]) -> str | None:
        """Have the orders be as the events of one command say; returns the code of a refusal."""
        refusal = None
        for event in events:
            if isinstance(event, Filled):
                self._fill(event)
            elif isinstance(event, Accepted):
                order = self.touch(event.order_id)
                order.status, order.priority = "open", event.priority
            elif isinstance(event, Cancelled):
                order = self.touch(event.order_id)
                order.status, order.reason, order.remaining_lots = "cancelled", event.reason, 0
            elif isinstance(event, Replaced):
                order = self.touch(event.order_id)
                order.price_minor, order.priority = event.price_minor, event.priority
                order.quantity_lots = event.quantity_lots
                order.remaining_lots = event.remaining_lots
            elif isinstance(event, Prevented):
                self._prevent(event)
            elif isinstance(event, Rejected):
                refusal = event.code
        return refusal

    def touch(self, order_id: str) -> Order:
        """Return an order that changes."""
        order = self.touched.get(order_id)
        if order is None:
            order = self.touched[order_id] = self.orders[order_id]
        return order

    def reject(self, order: Order, code: str) -> None:
        """End an order that does not come into the book."""
        order = self.touch(order.id)
        order.status, order.reason, order.remaining_lots = "rejected", code, 0

    def _fill(self, event: Filled) -> None:
        buy, sell = self.touch(event.buy_order_id), self.touch(event.sell_order_id)
        paid_before, earned_before = buy.fees_minor, sell.fees_minor
        for order in (buy, sell):
            order.filled_lots += event.quantity_lots
            order.filled_minor += event.quantity_lots * event.price_minor
            order.remaining_lots -= event.quantity_lots
            order.status = "partly_filled" if order.remaining_lots else "filled"
        self.traceparents.append(self.orders[event.taker_order_id].traceparent)
        self.trades.append(
            TradeRequest(
                asset=buy.asset,
                quantity_lots=event.quantity_lots,
                price_minor=event.price_minor,
                currency=buy.currency,
                trade_number=event.trade_number,
                buy_order_id=buy.id,
                buyer_customer_id=buy.customer_id,
                buyer_account_id=buy.account_id,
                buyer_fee_minor=buy.fees_minor - paid_before,
                sell_order_id=sell.id,
                seller_customer_id=sell.customer_id,
                seller_account_id=sell.account_id,
                seller_fee_minor=sell.fees_minor - earned_before,
                buyer=buy.party,
                seller=sell.party,
            )
        )

    def _prevent(self, event: Prevented) -> None:
        if event.mode != "decrement":
            return
        for order_id, remaining_lots in (
            (event.taker_order_id, event.taker_remaining_lots),
            (event.maker_order_id, event.maker_remaining_lots),
        ):
            order = self.touch(order_id)
            order.quantity_lots -= event.quantity_lots
            order.remaining_lots = remaining_lots
