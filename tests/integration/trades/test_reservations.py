"""Sells and the asset service: what is set aside is what an order needs, whatever a call meets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
from structlog.testing import capture_logs

from perdure.capability.contracts import Failure
from perdure.operations.lanes.calls import hear_nothing
from perdure.operations.steps import TransactionalSteps, from_json
from perdure.operations.verify import check
from perdure.trades.contracts import CloseTrade, TradeInput
from perdure.trades.funding import TradeFunds
from perdure.trades.orders import verify as orders
from perdure.trades.orders.doctor import look
from perdure.trades.orders.new_orders import NewOrder
from perdure.trades.orders.reservations import AssetReservations
from perdure.trades.services.assets import AssetService, Reservation
from perdure.trades.verify import ASSET_BOOKS

from .fake_assets import FakeAssets, Fault
from .market import LEDGER, Market


def reservations(market: Market, assets: FakeAssets) -> AssetReservations:
    return AssetReservations(market.pool, cast("AssetService", assets), hear_nothing)


async def sell(market: Market) -> str:
    taken = await market.intake.place(
        NewOrder(
            customer_id=market.customer("sal"),
            account_id=await market.account("sal"),
            asset=market.asset,
            side="sell",
            price_minor=100,
            quantity_lots=10,
        )
    )
    return taken.order.id


async def swept(market: Market, desk: AssetReservations) -> None:
    """Look after everything, until there is nothing to look after."""
    while await desk.sweep():
        await market.pool.execute("UPDATE orders SET look_at = now() WHERE look_at IS NOT NULL")


@pytest.mark.parametrize(
    ("faults", "status", "kept_lots"),
    [
        ([], "open", 10),
        (["declined"], "rejected", None),
        (["unavailable", "unavailable"], "open", 10),
        (["cut_after"], "open", 10),
        (["cut_before"], "rejected", 0),
    ],
)
async def test_a_sell_enters_once_the_asset_is_set_aside_and_never_otherwise_t1(
    market: Market, faults: list[Fault], status: str, kept_lots: int | None
) -> None:
    assets = FakeAssets([*faults])
    order_id = await sell(market)
    await swept(market, reservations(market, assets))
    await market.write()
    order = await market.order(order_id)
    kept = assets.kept.get(order_id)
    assert (order.status, kept.quantity_lots if kept else None) == (status, kept_lots)
    assert order.reserved_lots == (kept_lots or 0)
    assert order.reserved_version == order.reduced_version


@pytest.mark.parametrize("faults", [[], ["cut_after"]], ids=["answer", "inquiry"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("reference", "ord_other"), ("owner", "acc_other"), ("asset", "RUBY"), ("quantity_lots", 9)],
)
async def test_what_is_set_aside_otherwise_is_given_up_with_both_values_t1(
    market: Market, faults: list[Fault], name: str, said: object
) -> None:
    assets = FakeAssets([*faults], lies={name: said})
    order_id = await sell(market)
    with capture_logs() as logs:
        await swept(market, reservations(market, assets))
    (told,) = [one["error"] for one in logs if one["event"] == "reservation_differs"]
    assert f"{name} {said!r} instead of " in told
    order = await market.order(order_id)
    assert (order.status, order.reason, order.reserved_lots) == (
        "rejected",
        "provider_disagrees",
        0,
    )
    assert assets.kept[order_id].quantity_lots == 0


async def test_who_looked_after_an_order_and_died_is_followed_by_one_who_asks_first(
    market: Market,
) -> None:
    assets = FakeAssets()
    order_id = await sell(market)
    await market.pool.execute("UPDATE orders SET is_asked = true WHERE id = $1", order_id)
    await swept(market, reservations(market, assets))
    assert assets.calls == ["find", "reduce"]
    assert (await market.order(order_id)).reason == "asset_not_reserved"
    # What arrives after all is refused by the service.
    with pytest.raises(Exception, match="over"):
        await assets.reserve(reference=order_id, owner="", asset="", quantity_lots=1)


async def test_what_an_order_needs_no_more_is_let_go_until_it_is_confirmed(market: Market) -> None:
    assets = FakeAssets()
    desk = reservations(market, assets)
    order_id = await sell(market)
    await swept(market, desk)
    await market.account("ada", 10_000)
    await market.place("ada", "buy", 4, 100)
    await market.replace(order_id, 7, 100)
    await market.write()
    await market.cancel(order_id)
    await market.write()
    await swept(market, desk)
    assert assets.kept[order_id].quantity_lots == 4
    order = await market.order(order_id)
    assert order.reduced_version == order.reserved_version == assets.kept[order_id].version == 2


async def test_the_doctor_names_what_stands_still(market: Market) -> None:
    sal = await sell(market)
    await market.account("ada", 1_000)
    ada = await market.place("ada", "buy", 1, 100)
    await market.pool.execute(
        "UPDATE orders SET updated_at = now() - interval '1 hour' WHERE id = ANY($1)", [sal, ada]
    )
    said = {finding.detail.partition(" ")[2] for finding in await look(market.pool)}
    assert said >= {
        "orders have waited for their books for more than 30 s",
        "sells wait for the asset service since more than a minute",
    }
    await swept(market, reservations(market, FakeAssets()))
    await market.write()


async def test_verify_compares_what_is_set_aside_with_what_orders_need(market: Market) -> None:
    assets = FakeAssets()
    order_id = await sell(market)
    await swept(market, reservations(market, assets))
    await market.write()
    assert await compared(market, assets) == []
    assets.kept[order_id] = replace(assets.kept[order_id], quantity_lots=11)
    assert await compared(market, assets) == ["what_is_set_aside_is_what_orders_need"]
    nobodys = assets.kept.pop(order_id)
    assets.kept["ord_none"] = replace(nobodys, reference="ord_none")
    assert await compared(market, assets) == [*orders.AT_ASSETS]


BLOCKED = {
    "perdure": "INSERT INTO provider_calls"
    " (operation_id, step, provider, reference, state, lease_until, calls, answer)"
    " VALUES ($1, 'block_asset', 'assets', $1, 'answered', now(), 1, '{}')",
    "legacy": "INSERT INTO legacy_operations"
    " (operation_id, kind, part, internal_status, state, done)"
    """ VALUES ($1, 'trade', 'assets', 'close', 'ended', '{"unblock_asset": {}}')""",
}


@pytest.mark.parametrize(
    ("blocked_by", "kept_lots", "is_heard"),
    [(None, 0, True), (None, 0, False), ("perdure", 4, True), ("legacy", 4, True)],
)
async def test_what_was_kept_for_a_trade_that_came_to_nothing_is_let_go_t8(
    market: Market, *, blocked_by: str | None, kept_lots: int, is_heard: bool
) -> None:
    """But for what was blocked, which the service has freed as it was unblocked."""
    assets = FakeAssets(is_heard=is_heard)
    desk = reservations(market, assets)
    await market.account("ada", 10_000)
    order_id = await sell(market)
    await swept(market, desk)
    await market.place("ada", "buy", 4, 100)
    (trade,) = await market.write()
    if blocked_by is not None:
        await market.pool.execute(BLOCKED[blocked_by], trade.id)
    funds = TradeFunds(market.pool, TransactionalSteps(market.pool), LEDGER)
    no = Failure("holding_frozen", "It is frozen.")
    await funds.close(CloseTrade(from_json(TradeInput, trade.input), no))
    # The writer, who has the order in memory, knows nothing of it.
    await market.cancel(order_id)
    await market.write()
    await swept(market, desk)
    assert assets.kept[order_id].quantity_lots == kept_lots
    assert await compared(market, assets) == []
    assert await check(market.pool, orders.INVARIANTS, limit=10) == []


async def compared(market: Market, assets: FakeAssets) -> list[str]:
    """Return what is amiss of this asset between our orders and what the service tells."""

    async def told() -> AsyncIterator[Reservation]:
        for reservation in assets.kept.values():
            yield reservation

    async with market.pool.acquire() as connection:
        found = await ASSET_BOOKS.compare(connection, {"": told()})
    return [one.name for one in found if market.asset in one.detail]
