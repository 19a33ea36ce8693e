"""Orders from their intake to their trades, on a real database."""

import pytest

from perdure.core.errors import Conflict, InsufficientFunds, InvalidInput, NotFound, PerdureError
from perdure.ledger.model import AccountStatus
from perdure.storage.pool import transaction
from perdure.trades.book.commands import SetHalted

from .market import LEDGER, Market


async def test_a_fill_is_at_the_makers_price_and_frees_what_was_held_above_it_t2(
    market: Market,
) -> None:
    await market.account("ada", 10_000)
    sell = await market.place("sal", "sell", 10, 90)
    await market.write()
    buy = await market.place("ada", "buy", 15, 100)
    assert await market.available("ada") == 10_000 - 1_500 - 15
    (trade,) = await market.write()
    request = trade.input["request"]
    assert (request["price_minor"], request["quantity_lots"]) == (90, 10)
    assert (request["buyer_fee_minor"], request["seller_fee_minor"]) == (9, 9)
    assert (await market.order(sell)).status == "filled"
    bought = await market.order(buy)
    assert (bought.status, bought.remaining_lots, bought.hold_minor) == ("partly_filled", 5, 505)
    # 909 for the trade, 505 for what is left of the order.
    assert await market.available("ada") == 10_000 - 909 - 505
    await market.cancel(buy)
    await market.write()
    assert await market.available("ada") == 10_000 - 909
    assert (await market.order(buy)).reason == "requested"
    await market.book()


async def test_an_orders_fees_in_many_fills_are_those_of_one(market: Market) -> None:
    await market.account("ada", 10_000)
    buy = await market.place("ada", "buy", 10, 50)  # a fee of 5; of one lot alone it is half of one
    await market.write()
    for _ in range(10):
        await market.place("sal", "sell", 1, 50)
    trades = await market.write()
    assert [trade.input["request"]["buyer_fee_minor"] for trade in trades] == [1, 0] * 5
    assert await market.available("ada") == 10_000 - 505
    assert (await market.order(buy)).hold_minor == 0


async def test_who_lacks_the_money_is_refused_before_anything_is_stored(market: Market) -> None:
    await market.account("ada", 1_009)
    with pytest.raises(InsufficientFunds):
        await market.place("ada", "buy", 10, 100)
    assert await market.available("ada") == 1_009
    assert (
        await market.pool.fetchval("SELECT count(*) FROM orders WHERE asset = $1", market.asset)
        == 0
    )


@pytest.mark.parametrize(
    ("lots", "at", "terms", "code"),
    [
        (0, 100, {}, "invalid_quantity"),
        (-1, 100, {}, "invalid_quantity"),
        (10**9, 100, {}, "invalid_quantity"),
        (501, 100, {}, "quantity_too_large"),
        (1, 0, {}, "invalid_price"),
        (1, 10**13, {}, "invalid_price"),
        (1, 1_001, {}, "price_outside_band"),
        (1, 100, {"time_in_force": "gtd"}, "invalid_order"),
        (1, 100, {"time_in_force": "ioc", "post_only": True}, "invalid_order"),
        (1, 100, {"time_in_force": "gtd", "expires_at_ms": 1}, "already_expired"),
    ],
)
async def test_bad_figures_are_refused(
    market: Market, lots: int, at: int, terms: dict[str, object], code: str
) -> None:
    await market.account("ada", 10_000)
    with pytest.raises(InvalidInput) as refused:
        await market.place("ada", "buy", lots, at, **terms)
    assert refused.value.code == code


async def test_a_halted_and_an_unknown_asset_take_no_orders_and_cancel_them(
    market: Market,
) -> None:
    await market.account("ada", 10_000)
    order = await market.place("ada", "buy", 1, 100)
    await market.ask(None, SetHalted(is_halted=True))
    await market.write()
    with pytest.raises(Conflict) as refused:
        await market.place("ada", "buy", 1, 100)
    assert refused.value.code == "trading_halted"
    assert await market.answer(await _written(market, await market.cancel(order))) is None
    market.asset = "NO SUCH"
    with pytest.raises(NotFound):
        await market.place("ada", "buy", 1, 100)


async def test_a_request_sent_again_is_the_one_that_is_stored(market: Market) -> None:
    await market.account("ada", 1_000)
    first = await market.place("ada", "buy", 1, 100, once="k1")
    assert await market.place("ada", "buy", 1, 100, once="k1") == first
    named = await market.place("ada", "buy", 1, 100, reference="mine")
    with pytest.raises(PerdureError) as refused:
        await market.place("ada", "buy", 2, 100, reference="mine")
    assert refused.value.code == "idempotency_mismatch"
    await market.write()
    request = await market.ask(first, SetHalted(is_halted=False), "k2")
    assert await market.ask(first, SetHalted(is_halted=False), "k2") == request
    assert named != first
    assert await market.available("ada") == 1_000 - 2 * 101


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_cancel_and_a_fill_race_and_one_wins(market: Market, *, cancel_first: bool) -> None:
    await market.account("ada", 10_000)
    buy = await market.place("ada", "buy", 1, 100)
    await market.write()
    if cancel_first:
        request = await market.cancel(buy)
        await market.place("sal", "sell", 1, 100)
    else:
        await market.place("sal", "sell", 1, 100)
        request = await market.cancel(buy)
    trades = await market.write()
    assert len(trades) == (0 if cancel_first else 1)
    assert await market.answer(request) == (None if cancel_first else "order_not_open")
    order = await market.order(buy)
    assert order.status == ("cancelled" if cancel_first else "filled")
    assert await market.available("ada") == 10_000 - (0 if cancel_first else 101)


async def test_a_replace_that_costs_more_needs_the_money_and_one_that_costs_less_frees_it(
    market: Market,
) -> None:
    await market.account("ada", 1_010)
    order = await market.place("ada", "buy", 5, 100)
    await market.write()
    too_much = await market.replace(order, 11, 100)
    more = await market.replace(order, 10, 100)
    less = await market.replace(order, 2, 50)
    await market.write()
    assert await market.answer(too_much) == "insufficient_funds"
    assert await market.answer(more) is await market.answer(less) is None
    assert await market.available("ada") == 1_010 - 101
    await market.book()


async def test_what_a_sell_needs_no_more_is_owed_to_the_asset_service(market: Market) -> None:
    await market.account("ada", 10_000)
    sell = await market.place("sal", "sell", 10, 100)
    await market.place("ada", "buy", 4, 100)
    await market.write()
    assert (await market.order(sell)).reserved_version == 0
    await market.cancel(sell)
    await market.write()
    order = await market.order(sell)
    assert (order.reserved_lots, order.reserved_version, order.reduced_version) == (4, 1, 0)


async def test_a_sell_is_of_no_more_than_is_set_aside_though_it_once_was(market: Market) -> None:
    """Both were asked for when ten were set aside."""
    sell = await market.place("sal", "sell", 10, 100)
    await market.write()
    await market.replace(sell, 6, 100)
    await market.write()
    more = await market.replace(sell, 7, 100)
    as_much = await market.replace(sell, 6, 101)
    await market.write()
    assert await market.answer(more) == "reservation_too_small"
    assert await market.answer(as_much) is None
    order = await market.order(sell)
    assert (order.quantity_lots, order.reserved_lots, order.price_minor) == (6, 6, 101)
    await market.book()


@pytest.mark.parametrize("lots", [5, 10])
async def test_orders_of_an_account_that_is_blocked_go_and_the_others_trade_on(
    market: Market, lots: int
) -> None:
    await market.account("ada", 10_000)
    await market.account("bob", 10_000)
    frozen = await market.place("ada", "buy", 10, 100)
    other = await market.place("bob", "buy", 10, 99)
    await market.write()
    async with transaction(market.pool) as connection:
        await LEDGER.set_account_status(connection, market.accounts["ada"], AccountStatus.FROZEN)
    await market.place("sal", "sell", lots, 99)
    trades = await market.write()
    assert [trade.input["request"]["buy_order_id"] for trade in trades] == [other]
    assert (await market.order(frozen)).status == "cancelled"
    assert await market.available("ada") == 10_000
    await market.book()


@pytest.mark.parametrize("status", [AccountStatus.FROZEN, AccountStatus.CLOSED])
@pytest.mark.parametrize("was_there", [True, False], ids=["was there", "comes in"])
async def test_nothing_is_sold_for_an_account_that_could_not_be_paid(
    market: Market, status: AccountStatus, *, was_there: bool
) -> None:
    await market.account("ada", 10_000)
    buy = "" if was_there else await market.place("ada", "buy", 5, 100)
    await market.write()
    blocked, other = [await market.place(who, "sell", 5, 90) for who in ("sal", "sam")]
    if was_there:
        await market.write()
        buy = await market.place("ada", "buy", 5, 100)
    async with transaction(market.pool) as connection:
        await LEDGER.set_account_status(connection, market.accounts["sal"], status)
    trades = await market.write()
    assert [trade.input["request"]["sell_order_id"] for trade in trades] == [other]
    left = await market.order(blocked)
    assert (left.status, left.reserved_lots) == ("cancelled" if was_there else "rejected", 0)
    assert (await market.order(buy)).status == "filled"
    await market.book()


async def test_an_order_expires_by_the_writers_clock(market: Market) -> None:
    await market.account("ada", 10_000)
    order = await market.place("ada", "buy", 1, 100, time_in_force="gtd", expires_at_ms=2**42)
    await market.write()
    assert market.writer.next_expiry_ms == 2**42
    await market.pool.execute(
        "UPDATE orders SET expires_at_ms = 1 WHERE id = $1", order
    )  # its time has come
    await _reopened(market)
    await market.write()
    assert (await market.order(order)).reason == "expired"


async def test_who_trades_with_himself_is_kept_from_it(market: Market) -> None:
    await market.account("ada", 10_000)
    sell = await market.place("ada", "sell", 5, 100)
    buy = await market.place("ada", "buy", 8, 100, self_trade="decrement")
    assert await market.write() == []
    assert (await market.order(sell)).reason == "self_trade"
    bought = await market.order(buy)
    assert (bought.status, bought.remaining_lots, bought.quantity_lots) == ("open", 3, 3)
    assert await market.available("ada") == 10_000 - 303
    await market.book()


async def _written(market: Market, request_id: str) -> str:
    await market.write()
    return request_id


async def _reopened(market: Market) -> None:
    """Have the book be made again from its rows."""
    market.writer._book = None
