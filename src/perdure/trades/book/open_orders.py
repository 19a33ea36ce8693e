"""All of a book's orders that are open: by id, by price and time, by when they expire."""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator

from perdure.trades.book.commands import Side
from perdure.trades.book.order import Order
from perdure.trades.book.snapshot import Level


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


class OpenOrders:
    """Whatever finds an order that is open; each is in all of it, or in none."""

    __slots__ = ("by_id", "expiries", "facing", "halves")

    def __init__(self) -> None:
        self.by_id: dict[str, Order] = {}
        buyers, sellers = Half("buy"), Half("sell")
        self.halves: dict[Side, Half] = {"buy": buyers, "sell": sellers}
        self.facing: dict[Side, Half] = {"buy": sellers, "sell": buyers}
        self.expiries: list[tuple[int, int, str]] = []
        """When, the order's priority, and its id."""

    def add(self, order: Order) -> None:
        """Put it behind all others of its price."""
        self.by_id[order.order_id] = order
        half = self.halves[order.side]
        rank = order.price_minor * half.sign
        level = half.levels.get(rank)
        if level is None:
            half.levels[rank] = level = OrderedDict()
            insort(half.ranks, rank)
        level[order.order_id] = order
        if order.expires_at_ms is not None:
            insort(self.expiries, (order.expires_at_ms, order.priority, order.order_id))

    def remove(self, order: Order) -> None:
        """Take it out, and its level with the last one."""
        del self.by_id[order.order_id]
        half = self.halves[order.side]
        rank = order.price_minor * half.sign
        level = half.levels[rank]
        del level[order.order_id]
        if not level:
            del half.levels[rank]
            del half.ranks[bisect_left(half.ranks, rank)]
        if order.expires_at_ms is not None:
            expiry = (order.expires_at_ms, order.priority, order.order_id)
            del self.expiries[bisect_left(self.expiries, expiry)]

    def by_priority(self) -> list[Order]:
        """Return them in the order in which they came to where they are."""
        return list(self.by_id.values())  # who loses his place is taken out and added again

    def due(self, at_ms: int) -> list[Order]:
        """Return those that are good until then or before: by that time, then by priority."""
        count = bisect_right(self.expiries, at_ms, key=_expires_at)
        return [self.by_id[order_id] for *_, order_id in self.expiries[:count]]


def _expires_at(expiry: tuple[int, int, str]) -> int:
    return expiry[0]
