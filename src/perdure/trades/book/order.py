"""An order while it is open, and all of one side of a book, by price and time."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from perdure.trades.book.commands import SelfTrade, Side
from perdure.trades.book.events import Cancelled, CancelReason, Replaced
from perdure.trades.book.snapshot import Level, OpenOrder

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


class Half:
    """The buyers or the sellers.

    A rank orders prices the same way for both: the price of a buyer, its negative of a seller, so
    that the best is always the highest, and at the list's end, where most that comes and goes is.
    A level is an `OrderedDict`, as that alone is quick at its head and in its middle: a plain one
    walks over all that was removed before its first.
    """

    __slots__ = ("levels", "ranks", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side == "buy" else -1
        self.ranks: list[int] = []
        self.levels: dict[int, OrderedDict[str, Order]] = {}

    def add(self, order: Order) -> None:
        """Put it behind all others of its price."""
        rank = order.price_minor * self.sign
        level = self.levels.get(rank)
        if level is None:
            self.levels[rank] = level = OrderedDict()
            insort(self.ranks, rank)
        level[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take it out, and its level with the last one."""
        rank = order.price_minor * self.sign
        level = self.levels[rank]
        del level[order.order_id]
        if not level:
            del self.levels[rank]
            del self.ranks[bisect_left(self.ranks, rank)]

    def reaches(self, price_minor: int) -> bool:
        """Say whether who offers this price on the other side is filled here."""
        return bool(self.ranks) and self.ranks[-1] >= price_minor * self.sign

    def first(self) -> Order:
        """Return who is filled next; there has to be one."""
        return next(iter(self.levels[self.ranks[-1]].values()))

    def within(self, price_minor: int) -> Iterator[Order]:
        """Return all who would be filled at this price or better, in that order."""
        for rank in reversed(self.ranks):
            if rank < price_minor * self.sign:
                return
            yield from self.levels[rank].values()

    def best_minor(self) -> int | None:
        """Return the best price there is."""
        return self.ranks[-1] * self.sign if self.ranks else None

    def depth(self, levels_max: int | None) -> list[Level]:
        """Return what is open at each price, the best first."""
        return [
            Level(
                rank * self.sign,
                sum(order.remaining_lots for order in self.levels[rank].values()),
                len(self.levels[rank]),
            )
            for rank in self.ranks[::-1][:levels_max]
        ]
