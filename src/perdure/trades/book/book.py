"""The matcher: a command in, its events out. It knows integers, and neither a clock nor a database.

The same commands give the same events, whenever and wherever they are applied: nothing here depends
on the order of a hash or on chance. Whoever applies a command has not yet stored it: if that fails,
the book is thrown away and made again from what is stored.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from perdure.trades.book.commands import (
    PRICE_MAX_MINOR,
    QUANTITY_MAX_LOTS,
    Cancel,
    CancelAll,
    ChangeInstrument,
    Command,
    Expire,
    Instrument,
    Place,
    Replace,
    SetHalted,
    Side,
)
from perdure.trades.book.events import (
    Accepted,
    CancelReason,
    Event,
    Filled,
    HaltChanged,
    InstrumentChanged,
    Prevented,
    RejectCode,
    Rejected,
)
from perdure.trades.book.open_orders import Half, OpenOrders
from perdure.trades.book.order import Order, new_event
from perdure.trades.book.snapshot import Level, OpenOrder, Snapshot


class Book:
    """The open orders of one asset.

    Args:
        instrument: What incoming orders have to keep to, until a command changes it.
    """

    __slots__ = (
        "_applied_by",
        "_open",
        "instrument",
        "is_halted",
        "sequence",
        "trade_number",
    )

    def __init__(self, instrument: Instrument = Instrument()) -> None:  # noqa: B008 - immutable
        self.instrument = instrument
        self.is_halted = False
        self.sequence = 0
        """Of the command that was applied last."""
        self.trade_number = 0
        """Of the last trade."""
        self._open = OpenOrders()
        self._applied_by: dict[type, Callable[[Any], list[Event]]] = {
            Place: self._place,
            Cancel: self._cancel,
            Replace: self._replace,
            CancelAll: self._cancel_all,
            Expire: self._expire,
            ChangeInstrument: self._change_instrument,
            SetHalted: self._set_halted,
        }

    def apply(self, command: Command) -> list[Event]:
        """Carry out the next command; its number is the book's `sequence` from then on."""
        applied = self._applied_by[type(command)]
        self.sequence += 1
        return applied(command)

    def snapshot(self) -> Snapshot:
        """Return all there is to the book, the same for equal books however they came about."""
        return Snapshot(
            self.sequence,
            self.trade_number,
            self.is_halted,
            self.instrument,
            tuple(order.row() for order in self._open.by_priority()),
        )

    @classmethod
    def restore(cls, snapshot: Snapshot) -> "Book":
        """Make the book again; the order of the orders given does not matter.

        Raises:
            ValueError: The orders cannot be those of one book.
        """
        book = cls(snapshot.instrument)
        book.sequence, book.trade_number, book.is_halted = snapshot[:3]
        priority = 0
        for row in sorted(snapshot.orders, key=attrgetter("priority")):
            if row.order_id in book._open.by_id:
                raise ValueError(f"Order {row.order_id} is there twice.")
            if not 0 < row.remaining_lots <= row.quantity_lots:
                raise ValueError(f"Order {row.order_id} has {row.remaining_lots} lots left.")
            if book._open.facing[row.side].reaches(row.price_minor):
                raise ValueError(f"Order {row.order_id} would have been filled.")
            if not priority < row.priority <= book.sequence:
                raise ValueError(
                    f"Order {row.order_id} has the place of another, or is from after command"
                    f" {book.sequence}."
                )
            priority = row.priority
            book._open.add(Order(*row))
        return book

    def open_order(self, order_id: str) -> OpenOrder | None:
        """Return the order as it stands, if it is open."""
        order = self._open.by_id.get(order_id)
        return order.row() if order else None

    def best_minor(self, side: Side) -> int | None:
        """Return the highest price a buyer pays, or the lowest a seller takes."""
        return self._open.halves[side].best_minor()

    def depth(self, side: Side, levels_max: int | None = None) -> list[Level]:
        """Return what is open at each price, the best first."""
        return self._open.halves[side].depth(levels_max)

    def next_expiry_ms(self) -> int | None:
        """Return when the next order is to expire; who has the clock then applies `Expire`."""
        return self._open.expiries[0][0] if self._open.expiries else None

    # What comes in.

    def _place(self, placed: Place) -> list[Event]:
        (
            order_id,
            account_id,
            side,
            price,
            quantity,
            _,
            time_in_force,
            post_only,
            self_trade,
            expires_at,
        ) = placed
        if code := figures_refusal(self.instrument, self.is_halted, price, quantity):
            return [Rejected(order_id, code)]
        if order_id in self._open.by_id:
            return [Rejected(order_id, "order_already_open")]
        if (time_in_force != "gtc" or expires_at is not None) and (code := terms_refusal(placed)):
            return [Rejected(order_id, code)]
        taken = self._open.facing[side]
        crosses = taken.reaches(price)
        if crosses and post_only:
            return [Rejected(order_id, "would_take")]
        priority = self.sequence
        order = Order(
            order_id,
            account_id,
            side,
            price,
            quantity,
            quantity,
            priority,
            post_only,
            self_trade,
            expires_at,
        )
        events: list[Event] = [
            new_event(Accepted, (order_id, account_id, side, price, quantity, priority))
        ]
        if time_in_force == "fok" and not self._can_fill(order, taken):
            events.append(order.give_up("fill_or_kill"))
        elif crosses:
            self._take(order, taken, events)
        if order.remaining_lots:
            if time_in_force == "ioc":
                events.append(order.give_up("immediate_or_cancel"))
            else:
                self._open.add(order)
        return events

    def _replace(self, replace: Replace) -> list[Event]:
        """A mere reduction keeps its place; all else is as if it came in now."""
        order = self._open.by_id.get(replace.order_id)
        if order is None:
            return [Rejected(replace.order_id, "order_not_open")]
        _, price, quantity = replace
        taken = self._open.facing[order.side]
        keeps_place = price == order.price_minor and quantity <= order.quantity_lots
        filled = order.quantity_lots - order.remaining_lots
        code: RejectCode | None = None
        if quantity < 1:
            code = "invalid_quantity"
        elif quantity <= filled:
            code = "quantity_already_filled"
        elif not keeps_place:
            code = figures_refusal(self.instrument, self.is_halted, price, quantity)
            if code is None and order.post_only and taken.reaches(price):
                code = "would_take"
        if code:
            return [Rejected(order.order_id, code)]
        if not keeps_place:
            self._open.remove(order)
            order.price_minor = price
            order.priority = self.sequence
        order.quantity_lots = quantity
        order.remaining_lots = quantity - filled
        events: list[Event] = [order.replaced()]
        if not keeps_place:
            self._take(order, taken, events)
            if order.remaining_lots:
                self._open.add(order)
        return events

    # What is filled.

    def _take(self, taker: Order, makers: Half, events: list[Event]) -> None:
        """Fill from the other side what its price reaches: the best first, then the earliest."""
        while taker.remaining_lots and makers.reaches(taker.price_minor):
            maker = makers.first()
            if maker.account_id == taker.account_id:
                self._prevent(taker, maker, events)
                continue
            quantity = min(taker.remaining_lots, maker.remaining_lots)
            taker.remaining_lots -= quantity
            maker.remaining_lots -= quantity
            self.trade_number += 1
            events.append(
                new_event(
                    Filled,
                    (
                        self.trade_number,
                        maker.price_minor,
                        quantity,
                        taker.side,
                        taker.order_id,
                        taker.account_id,
                        taker.remaining_lots,
                        maker.order_id,
                        maker.account_id,
                        maker.remaining_lots,
                    ),
                )
            )
            if not maker.remaining_lots:
                self._open.remove(maker)

    def _prevent(self, taker: Order, maker: Order, events: list[Event]) -> None:
        """Keep an account from trading with itself, as the one that comes in wants it."""
        mode = taker.self_trade
        quantity = min(taker.remaining_lots, maker.remaining_lots)
        if mode == "decrement":
            for order in (taker, maker):
                order.remaining_lots -= quantity
                order.quantity_lots -= quantity
        events.append(
            Prevented(
                mode,
                taker.account_id,
                maker.price_minor,
                quantity,
                taker.side,
                taker.order_id,
                taker.remaining_lots,
                maker.order_id,
                maker.remaining_lots,
            )
        )
        if mode in ("expire_maker", "expire_both") or not maker.remaining_lots:
            self._open.remove(maker)
            events.append(maker.give_up("self_trade"))
        if mode in ("expire_taker", "expire_both") or not taker.remaining_lots:
            events.append(taker.give_up("self_trade"))

    def _can_fill(self, taker: Order, makers: Half) -> bool:
        """Say whether all of it would be filled; with what is its own, only if that gives way."""
        missing = taker.quantity_lots
        for maker in makers.within(taker.price_minor):
            if maker.account_id != taker.account_id:
                missing -= maker.remaining_lots
                if missing <= 0:
                    return True
            elif taker.self_trade != "expire_maker":
                return False
        return False

    # What stays, and what goes.

    def _cancel_each(self, orders: list[Order], reason: CancelReason) -> list[Event]:
        events: list[Event] = []
        for order in orders:
            self._open.remove(order)
            events.append(order.give_up(reason))
        return events

    def _cancel(self, cancel: Cancel) -> list[Event]:
        order = self._open.by_id.get(cancel.order_id)
        if order is None:
            return [Rejected(cancel.order_id, "order_not_open")]
        self._open.remove(order)
        return [order.give_up("requested")]

    def _cancel_all(self, cancel: CancelAll) -> list[Event]:
        of_account = [
            order
            for order in self._open.by_priority()
            if cancel.account_id is None or order.account_id == cancel.account_id
        ]
        return self._cancel_each(of_account, "requested")

    def _expire(self, expire: Expire) -> list[Event]:
        return self._cancel_each(self._open.due(expire.at_ms), "expired")

    # What holds for the asset.

    def _change_instrument(self, change: ChangeInstrument) -> list[Event]:
        tick, low, high, quantity_max = change
        is_price_band = 0 < low <= high <= PRICE_MAX_MINOR
        if not (is_price_band and tick > 0 and 0 < quantity_max <= QUANTITY_MAX_LOTS):
            return [Rejected("", "invalid_instrument")]
        self.instrument = Instrument(*change)
        return [InstrumentChanged(*change)]

    def _set_halted(self, change: SetHalted) -> list[Event]:
        self.is_halted = change.is_halted
        return [HaltChanged(change.is_halted)]


def figures_refusal(
    instrument: Instrument, is_halted: bool, price: int, quantity: int
) -> RejectCode | None:
    """Return why an order of these figures does not come in, whatever is open."""
    tick, low, high, quantity_max = instrument
    if is_halted:
        return "trading_halted"
    if quantity < 1:
        return "invalid_quantity"
    if quantity > quantity_max:
        return "quantity_too_large"
    if price % tick:
        return "price_off_tick"
    if not low <= price <= high:
        return "price_outside_band"
    return None


def terms_refusal(placed: Place) -> RejectCode | None:
    """Return why an order's terms contradict one another, or its time is over."""
    is_gtd = placed.time_in_force == "gtd"
    if is_gtd != (placed.expires_at_ms is not None):
        return "invalid_order"
    if placed.post_only and placed.time_in_force in ("ioc", "fok"):
        return "invalid_order"
    if placed.expires_at_ms is not None and placed.expires_at_ms <= placed.at_ms:
        return "already_expired"
    return None
