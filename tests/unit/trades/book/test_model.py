"""The book against one that is as plain as can be: whatever is told, both answer the same."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from perdure.trades.book.book import Book
from perdure.trades.book.commands import (
    Cancel,
    CancelAll,
    ChangeInstrument,
    Command,
    Expire,
    Place,
    Replace,
    SetHalted,
)
from perdure.trades.book.events import Accepted, Cancelled, Event, Filled, Prevented, Replaced
from perdure.trades.book.journal import (
    decode_command,
    decode_snapshot,
    encode_command,
    encode_events,
    encode_snapshot,
)

from .naive_book import NaiveBook

IDS = st.sampled_from([f"o{number}" for number in range(12)])
ACCOUNTS = st.sampled_from(["ann", "bob", "eve"])
PRICES = st.sampled_from([*range(46, 56)] * 4 + [0, -1, 10**12, 10**12 + 1])
QUANTITIES = st.integers(1, 9) | st.sampled_from([0, -1, 25, 10**6 + 1])
TIMES = st.integers(1_000, 1_008)

PLACES = st.builds(
    Place,
    order_id=IDS,
    account_id=ACCOUNTS,
    side=st.sampled_from(["buy", "sell"]),
    price_minor=PRICES,
    quantity_lots=QUANTITIES,
    at_ms=TIMES,
    time_in_force=st.sampled_from(["gtc"] * 4 + ["ioc", "fok"]),
    post_only=st.sampled_from([False, False, False, True]),
    self_trade=st.sampled_from(["expire_taker", "expire_maker", "expire_both", "decrement"]),
    expires_at_ms=st.none(),
)


class BothBooks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.naive = NaiveBook()
        self.left: dict[str, int] = {}

    @rule(placed=PLACES)
    def place(self, placed: Place) -> None:
        self.tell(placed)

    @rule(placed=PLACES, until=TIMES | st.none(), is_gtd=st.sampled_from([True, True, False]))
    def place_until(self, placed: Place, until: int | None, is_gtd: bool) -> None:
        in_force = "gtd" if is_gtd else placed.time_in_force
        self.tell(placed._replace(time_in_force=in_force, expires_at_ms=until))

    @rule(order_id=IDS)
    def cancel(self, order_id: str) -> None:
        self.tell(Cancel(order_id))

    @rule(order_id=IDS, price=PRICES, quantity=QUANTITIES)
    def replace(self, order_id: str, price: int, quantity: int) -> None:
        self.tell(Replace(order_id, price, quantity))

    @precondition(lambda self: self.naive.orders)
    @rule(data=st.data(), price_change=st.integers(-2, 2), quantity_change=st.integers(-3, 3))
    def replace_one_that_is_open(
        self, data: st.DataObject, price_change: int, quantity_change: int
    ) -> None:
        row = data.draw(st.sampled_from(self.naive.orders)).row()
        price, quantity = row.price_minor + price_change, row.quantity_lots + quantity_change
        self.tell(Replace(row.order_id, price, quantity))

    @rule(account=ACCOUNTS | st.none(), is_meant=st.sampled_from([False] * 5 + [True]))
    def cancel_all(self, account: str | None, is_meant: bool) -> None:
        if is_meant:
            self.tell(CancelAll(account))

    @rule(at=TIMES)
    def expire(self, at: int) -> None:
        self.tell(Expire(at))

    @rule(
        tick=st.sampled_from([1, 1, 2]), low=st.integers(44, 50), largest=st.sampled_from([6, 30])
    )
    def change_instrument(self, tick: int, low: int, largest: int) -> None:
        self.tell(ChangeInstrument(tick, low, low + 8, largest))

    @rule(is_halted=st.sampled_from([False, False, True]))
    def halt(self, is_halted: bool) -> None:
        self.tell(SetHalted(is_halted))

    def tell(self, command: Command) -> None:
        read = decode_command(encode_command(command))
        assert (type(read), read) == (type(command), command)
        before = {row.order_id: row.remaining_lots for row in self.book.snapshot().orders}
        events = self.book.apply(command)
        assert encode_events(events) == encode_events(self.naive.apply(command))
        stored = encode_snapshot(self.book.snapshot())
        assert stored == encode_snapshot(self.naive.snapshot())
        self.book = Book.restore(decode_snapshot(stored))  # every command meets a restarted book
        assert encode_snapshot(self.book.snapshot()) == stored
        self.check_conservation(before, events)
        self.check_not_crossed()

    def check_conservation(self, before: dict[str, int], events: list[Event]) -> None:
        """What is left is what there was, less what was filled, prevented or given up."""
        left = dict(before)
        for event in events:
            match event:
                case Accepted():
                    left[event.order_id] = event.quantity_lots
                case Filled():
                    for order_id in (event.maker_order_id, event.taker_order_id):
                        left[order_id] -= event.quantity_lots
                    assert left[event.maker_order_id] == event.maker_remaining_lots
                    assert left[event.taker_order_id] == event.taker_remaining_lots
                    assert event.maker_account_id != event.taker_account_id
                case Prevented(mode="decrement"):
                    left[event.maker_order_id] -= event.quantity_lots
                    left[event.taker_order_id] -= event.quantity_lots
                case Replaced():
                    left[event.order_id] = event.remaining_lots
                case Cancelled():
                    left[event.order_id] -= event.cancelled_lots
                    assert left[event.order_id] == 0
                case _:
                    pass
        now = {row.order_id: row.remaining_lots for row in self.book.snapshot().orders}
        assert now == {order_id: lots for order_id, lots in left.items() if lots}

    def check_not_crossed(self) -> None:
        bid, ask = self.book.best_minor("buy"), self.book.best_minor("sell")
        assert bid is None or ask is None or bid < ask
        for side in ("buy", "sell"):
            prices = [order.price for order in self.naive.orders if order.placed.side == side]
            best = (max if side == "buy" else min)(prices, default=None)
            assert self.book.best_minor(side) == best
        times = [order.placed.expires_at_ms for order in self.naive.orders]
        due = [time for time in times if time is not None]
        assert self.book.next_expiry_ms() == min(due, default=None)


def run(**more: Any) -> None:
    run_state_machine_as_test(
        BothBooks,
        settings=settings(
            deadline=None, suppress_health_check=list(HealthCheck), database=None, **more
        ),
    )


def test_both_books_answer_the_same() -> None:
    run(max_examples=100, stateful_step_count=50)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_both_books_answer_the_same_for_long() -> None:
    run(max_examples=2_000, stateful_step_count=200)
