"""The book's rules once more, as plainly as they can be said: a list, searched from end to end."""

from dataclasses import dataclass

from perdure.trades.book.commands import (
    Cancel,
    CancelAll,
    ChangeInstrument,
    Command,
    Expire,
    Instrument,
    Place,
    Replace,
    SetHalted,
)
from perdure.trades.book.events import (
    Accepted,
    Cancelled,
    CancelReason,
    Event,
    Filled,
    HaltChanged,
    InstrumentChanged,
    Prevented,
    RejectCode,
    Rejected,
    Replaced,
)
from perdure.trades.book.snapshot import OpenOrder, Snapshot


@dataclass(eq=False)
class Resting:
    """An order, and how much of it was filled."""

    placed: Place
    price: int
    left: int
    filled: int
    since: int

    @property
    def id(self) -> str:
        return self.placed.order_id

    def row(self) -> OpenOrder:
        return OpenOrder(
            self.id,
            self.placed.account_id,
            self.placed.side,
            self.price,
            self.left + self.filled,
            self.left,
            self.since,
            self.placed.post_only,
            self.placed.self_trade,
            self.placed.expires_at_ms,
        )


class NaiveBook:
    def __init__(self) -> None:
        self.orders: list[Resting] = []
        self.instrument = Instrument()
        self.halted = False
        self.commands = 0
        self.trades = 0
        self.events: list[Event] = []

    def apply(self, command: Command) -> list[Event]:
        self.commands += 1
        self.events = []
        match command:
            case Place():
                self.place(command)
            case Replace():
                self.replace(command)
            case Cancel(order_id):
                found = [order for order in self.orders if order.id == order_id]
                self.end(found, "requested")
                if not found:
                    self.events.append(Rejected(order_id, "order_not_open"))
            case CancelAll(account):
                self.end(
                    [order for order in self.orders if account in (None, order.placed.account_id)],
                    "requested",
                )
            case Expire(at):
                due = [
                    order for order in self.orders if (order.placed.expires_at_ms or at + 1) <= at
                ]
                self.end(sorted(due, key=lambda order: order.placed.expires_at_ms or 0), "expired")
            case ChangeInstrument():
                self.instrument = Instrument(*command)
                self.events.append(InstrumentChanged(*command))
            case SetHalted(is_halted):
                self.halted = is_halted
                self.events.append(HaltChanged(is_halted))
        return self.events

    def snapshot(self) -> Snapshot:
        rows = tuple(order.row() for order in self.orders)
        return Snapshot(self.commands, self.trades, self.halted, self.instrument, rows)

    def place(self, placed: Place) -> None:
        code = self.refusal(placed)
        if code:
            self.events.append(Rejected(placed.order_id, code))
            return
        price, quantity = placed.price_minor, placed.quantity_lots
        order = Resting(placed, price, quantity, 0, self.commands)
        self.events.append(
            Accepted(
                placed.order_id, placed.account_id, placed.side, price, quantity, self.commands
            )
        )
        if placed.time_in_force == "fok" and not self.is_fillable(order):
            self.end([order], "fill_or_kill")
        else:
            self.match(order)
        if order.left and placed.time_in_force == "ioc":
            self.end([order], "immediate_or_cancel")
        if order.left:
            self.orders.append(order)

    def replace(self, command: Replace) -> None:
        found = [order for order in self.orders if order.id == command.order_id]
        if not found:
            self.events.append(Rejected(command.order_id, "order_not_open"))
            return
        (order,) = found
        price, quantity = command.price_minor, command.quantity_lots
        stays = price == order.price and quantity <= order.left + order.filled
        code: RejectCode | None = None
        if quantity <= 0:
            code = "invalid_quantity"
        elif quantity <= order.filled:
            code = "quantity_already_filled"
        elif not stays:
            code = self.asset_refusal(price, quantity)
            changed = Resting(order.placed, price, 0, 0, 0)
            if not code and order.placed.post_only and self.facing(changed):
                code = "would_take"
        if code:
            self.events.append(Rejected(order.id, code))
            return
        order.price, order.left = price, quantity - order.filled
        if not stays:
            order.since = self.commands
        row = order.row()
        self.events.append(Replaced(*row[:7]))
        if not stays:
            self.orders.remove(order)
            self.match(order)
            if order.left:
                self.orders.append(order)

    def refusal(self, placed: Place) -> RejectCode | None:
        is_gtd = placed.time_in_force == "gtd"
        has_time = placed.expires_at_ms is not None
        may_be_post_only = placed.time_in_force in ("gtc", "gtd")
        order = Resting(placed, placed.price_minor, placed.quantity_lots, 0, 0)
        reasons: list[tuple[bool, RejectCode]] = [
            (any(order.id == placed.order_id for order in self.orders), "order_already_open"),
            (is_gtd != has_time or (placed.post_only and not may_be_post_only), "invalid_order"),
            (has_time and placed.at_ms >= (placed.expires_at_ms or 0), "already_expired"),
            (placed.post_only and bool(self.facing(order)), "would_take"),
        ]
        code = self.asset_refusal(placed.price_minor, placed.quantity_lots)
        return code or next((code for is_so, code in reasons if is_so), None)

    def asset_refusal(self, price: int, quantity: int) -> RejectCode | None:
        reasons: list[tuple[bool, RejectCode]] = [
            (self.halted, "trading_halted"),
            (quantity <= 0, "invalid_quantity"),
            (quantity > self.instrument.quantity_max_lots, "quantity_too_large"),
            (price % self.instrument.tick_minor != 0, "price_off_tick"),
            (price < self.instrument.price_low_minor, "price_outside_band"),
            (price > self.instrument.price_high_minor, "price_outside_band"),
        ]
        return next((code for is_so, code in reasons if is_so), None)

    def facing(self, taker: Resting) -> list[Resting]:
        """All that a taker's price reaches, in the order in which they are filled."""
        sign = 1 if taker.placed.side == "buy" else -1
        return sorted(
            (
                order
                for order in self.orders
                if order.placed.side != taker.placed.side
                and order.price * sign <= taker.price * sign
            ),
            key=lambda order: (order.price * sign, order.since),
        )

    def is_fillable(self, taker: Resting) -> bool:
        others = 0
        for maker in self.facing(taker):
            is_own = maker.placed.account_id == taker.placed.account_id
            if is_own and taker.placed.self_trade != "expire_maker" and others < taker.left:
                return False
            others += 0 if is_own else maker.left
        return others >= taker.left

    def match(self, taker: Resting) -> None:
        for maker in self.facing(taker):
            if not taker.left:
                return
            quantity = min(taker.left, maker.left)
            if maker.placed.account_id == taker.placed.account_id:
                self.prevent(taker, maker, quantity)
                continue
            self.trades += 1
            for order in (taker, maker):
                order.left -= quantity
                order.filled += quantity
            self.events.append(
                Filled(
                    self.trades,
                    maker.price,
                    quantity,
                    taker.placed.side,
                    taker.id,
                    taker.placed.account_id,
                    taker.left,
                    maker.id,
                    maker.placed.account_id,
                    maker.left,
                )
            )
            if not maker.left:
                self.orders.remove(maker)

    def prevent(self, taker: Resting, maker: Resting, quantity: int) -> None:
        mode = taker.placed.self_trade
        if mode == "decrement":
            taker.left -= quantity
            maker.left -= quantity
        self.events.append(
            Prevented(
                mode,
                taker.placed.account_id,
                maker.price,
                quantity,
                taker.placed.side,
                taker.id,
                taker.left,
                maker.id,
                maker.left,
            )
        )
        over = {
            "expire_taker": [taker],
            "expire_maker": [maker],
            "expire_both": [maker, taker],
            "decrement": [order for order in (maker, taker) if not order.left],
        }
        self.end(over[mode], "self_trade")

    def end(self, orders: list[Resting], reason: CancelReason) -> None:
        for order in orders:
            if order in self.orders:
                self.orders.remove(order)
            self.events.append(
                Cancelled(
                    order.id,
                    order.placed.account_id,
                    order.placed.side,
                    order.price,
                    order.left,
                    reason,
                )
            )
            order.left = 0
