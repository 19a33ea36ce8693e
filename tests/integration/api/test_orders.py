"""Orders by the API, with the writer and the desk for reservations beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from perdure.api.keys import create_key
from perdure.bootstrap import Platform
from perdure.capability.wiring import WorkerHost
from perdure.core.ids import new_id
from perdure.operations.lanes.calls import LaneListener
from perdure.operations.verify import check
from perdure.storage.pool import Pool
from perdure.trades.orders.matching import Matching
from perdure.trades.orders.verify import INVARIANTS
from perdure.trades.services.assets import AssetService
from tests.integration.trades.fake_assets import FakeAssets

from .api_client import Api, Json, Wallet, created, ok, refused
from .test_event_stream import refuses_one_too_many

NO_ACCOUNT = "acc_01h455vb4pex5vsknk084sn02q"


def order_body(wallet: Wallet, traded: str = "NO SUCH", **changes: object) -> Json:
    return {
        "customer_id": wallet.customer_id,
        "account_id": wallet.account_id,
        "asset": traded,
        "side": "buy",
        "price_minor": 100,
        "quantity_lots": 10,
        "reference": uuid4().hex,
    } | changes


async def new_order(pool: Pool, wallet: Wallet) -> str:
    """Store an order that was cancelled."""
    order_id = new_id("ord")
    await pool.execute(
        "INSERT INTO orders (id, asset, currency, customer_id, account_id, side, price_minor,"
        " quantity_lots, time_in_force, post_only, self_trade, fee_basis_points, status,"
        " remaining_lots) VALUES ($1, 'NO SUCH', 'USD', $2, $3, 'buy', 1, 1, 'gtc', false,"
        " 'expire_taker', 0, 'cancelled', 0)",
        order_id,
        wallet.customer_id,
        wallet.account_id,
    )
    return order_id


@pytest.fixture(scope="module")
async def assets(platform: Platform) -> AsyncIterator[FakeAssets]:
    """The asset service, and what an operations worker does for orders."""
    service, stop = FakeAssets(), asyncio.Event()

    async def begin(_trade: object) -> None:
        """Nobody carries trades out here."""

    async with LaneListener(platform.settings.require_database_url()) as listener:
        host = SimpleNamespace(
            pool=platform.pool,
            ledger=platform.ledger,
            own=platform.kinds.own,
            lane_in=platform.kinds.lane_in,
            hear=listener.hear,
            begin=begin,
        )
        matching = Matching(cast("WorkerHost", host), cast("AssetService", service))
        running = asyncio.create_task(matching.run(stop))
        yield service
        stop.set()
        await running


@pytest.fixture
async def asset(api: Api, assets: FakeAssets) -> str:
    """One that is traded."""
    name = f"GEM-{uuid4().hex[:8]}"
    body = {"currency": "USD", "fee_basis_points": 100, "price_high_minor": 1_000, "reason": "New."}
    assert ok(await api.put(f"/v1/instruments/{name}", body))["price_high_minor"] == 1_000
    return name


async def place(api: Api, wallet: Wallet, asset: str, **changes: object) -> Json:
    return created(await api.post("/v1/orders", order_body(wallet, asset, **changes)))


async def available(api: Api, wallet: Wallet) -> int:
    found: int = ok(await api.get(f"/v1/accounts/{wallet.account_id}/balance"))["available_minor"]
    return found


async def test_two_orders_meet_and_each_customer_sees_its_own_t1(
    api: Api, pool: Pool, asset: str
) -> None:
    ada, sal = await api.new_wallet(10_000), await api.new_wallet()
    sold = await place(api, sal, asset, side="sell", price_minor=90)
    assert sold["status"] == "open"
    bought = await place(api, ada, asset, quantity_lots=15)
    assert (bought["status"], bought["filled_lots"], bought["filled_minor"]) == (
        "partly_filled",
        10,
        900,
    )
    assert (bought["fees_minor"], bought["held_minor"]) == (9, 505)
    assert await available(api, ada) == 10_000 - 909 - 505
    book = ok(await api.get(f"/v1/books/{asset}"))
    assert (book["bids"], book["asks"]) == (
        [{"price_minor": 100, "quantity_lots": 5, "orders": 1}],
        [],
    )
    assert ada.customer_id not in str(book)
    _, secret = await create_key(pool, "sal", ["orders:read", "orders:write"], sal.customer_id)
    seller = api.as_key(secret)
    assert [one["id"] for one in ok(await seller.get("/v1/orders"))["data"]] == [sold["id"]]
    seen = ok(await seller.get(f"/v1/orders/{sold['id']}"))
    assert seen["status"] == "filled"
    assert ada.customer_id not in str(seen)
    refused(await seller.get(f"/v1/orders/{bought['id']}"), 404, "order_not_found", "id")
    assert [
        one["id"] for one in ok(await api.get("/v1/orders", asset=asset, open=True))["data"]
    ] == [bought["id"]]
    assert await check(pool, INVARIANTS, limit=10) == []


async def test_an_order_is_cancelled_and_replaced_while_it_is_open_and_then_it_is_too_late(
    api: Api, asset: str
) -> None:
    ada = await api.new_wallet(2_000)
    order = await place(api, ada, asset)
    path = f"/v1/orders/{order['id']}"
    larger = {"price_minor": 150, "quantity_lots": 100}
    refused(await api.post(f"{path}/replace", larger), 402, "insufficient_funds", None)
    smaller = {"price_minor": 50, "quantity_lots": 4}
    assert ok(await api.post(f"{path}/replace", smaller))["held_minor"] == 202
    once = uuid4().hex
    cancelled = ok(await api.post(f"{path}/cancel", {"reason": "Enough."}, once))
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "requested")
    assert ok(await api.post(f"{path}/cancel", {"reason": "Enough."}, once)) == cancelled
    refused(await api.post(f"{path}/cancel", {"reason": "Again."}), 409, "order_ended", "id")
    refused(await api.post(f"{path}/replace", smaller), 409, "order_ended", "id")
    assert await available(api, ada) == 2_000


async def test_an_order_sent_again_is_one_order(api: Api, asset: str) -> None:
    ada = await api.new_wallet(10_000)
    body, key = order_body(ada, asset), uuid4().hex
    first = await api.post("/v1/orders", body, key)
    answers = await asyncio.gather(*(api.post("/v1/orders", body, key) for _ in range(5)))
    assert {created(answer)["id"] for answer in (first, *answers)} == {first.json()["id"]}
    assert {answer.headers.get("Idempotent-Replayed") for answer in answers} == {"true"}
    other = await api.post("/v1/orders", body | {"quantity_lots": 9}, key)
    refused(other, 422, "idempotency_mismatch", "reference")
    nameless = {name: value for name, value in body.items() if name != "reference"}
    refused(
        await api.post("/v1/orders", nameless), 400, "missing_idempotency_key", "Idempotency-Key"
    )
    assert await available(api, ada) == 10_000 - 1_010


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"asset": "NO SUCH"}, (404, "asset_not_found", "asset")),
        (
            {"account_id": "acc_01h455vb4pex5vsknk084sn02q"},
            (404, "account_not_found", "account_id"),
        ),
        ({"price_minor": 0}, (400, "invalid_price", "price_minor")),
        ({"price_minor": -1}, (400, "invalid_price", "price_minor")),
        ({"price_minor": 10**20}, (400, "invalid_price", "price_minor")),
        ({"quantity_lots": 0}, (400, "invalid_quantity", "quantity_lots")),
        ({"quantity_lots": -10, "side": "sell"}, (400, "invalid_quantity", "quantity_lots")),
        ({"quantity_lots": 10**20}, (400, "invalid_quantity", "quantity_lots")),
        ({"price_minor": 1_001}, (400, "price_outside_band", "price_minor")),
        ({"time_in_force": "gtd"}, (400, "invalid_order", "time_in_force")),
        ({"quantity_lots": 100}, (402, "insufficient_funds", "amount_minor")),
        ({"side": "both"}, (400, "invalid_input", "side")),
        ({"price_minor": 1.5}, (400, "invalid_input", "price_minor")),
    ],
)
async def test_what_is_wrong_with_an_order_is_said_at_once(
    api: Api, asset: str, changes: Json, told: tuple[int, str, str]
) -> None:
    ada = await api.new_wallet(5_000)
    answer = await api.post("/v1/orders", order_body(ada, asset, **changes))
    refused(answer, *told)
    assert await available(api, ada) == 5_000


async def test_a_sell_that_the_asset_service_refuses_is_refused(
    api: Api, asset: str, assets: FakeAssets
) -> None:
    sal = await api.new_wallet()
    assets.faults.append("declined")
    answer = await api.post("/v1/orders", order_body(sal, asset, side="sell"))
    refused(answer, 402, "order_rejected", "asset")
    assert "insufficient_holding" in answer.text


@pytest.mark.parametrize("first", ["cancel", "buy", "replace"])
async def test_a_cancel_and_a_fill_race_and_the_one_that_loses_is_told_that_it_is_too_late_t1(
    api: Api, pool: Pool, asset: str, first: str
) -> None:
    ada, sal = await api.new_wallet(100_000), await api.new_wallet()
    for _ in range(4):
        path = f"/v1/orders/{(await place(api, sal, asset, side='sell'))['id']}"
        taking = order_body(ada, asset, time_in_force="ioc")
        if first == "replace":
            calls = [api.post(f"{path}/replace", {"price_minor": 900, "quantity_lots": 10})]
        else:
            calls = [api.post(f"{path}/cancel", {"reason": "Enough."})]
        calls.insert(first != "buy", api.post("/v1/orders", taking))
        answers = await asyncio.gather(*calls)
        bought, called_off = answers if first == "buy" else answers[::-1]
        if called_off.status_code == 200:
            assert created(bought)["filled_lots"] == 0
            await api.post(f"{path}/cancel", {"reason": "The next one."})
        else:
            refused(called_off, 409, "order_ended", "id")
            assert created(bought)["status"] == "filled"
    assert await check(pool, INVARIANTS, limit=10) == []


async def test_who_would_trade_with_himself_is_kept_from_it(api: Api, asset: str) -> None:
    ada = await api.new_wallet(5_000)
    sold = await place(api, ada, asset, side="sell")
    bought = await place(api, ada, asset)
    assert (bought["status"], bought["reason"]) == ("cancelled", "self_trade")
    assert ok(await api.get(f"/v1/orders/{sold['id']}"))["status"] == "open"
    assert await available(api, ada) == 5_000


async def test_a_post_only_order_that_would_take_is_refused_and_holds_nothing(
    api: Api, asset: str
) -> None:
    ada, sal = await api.new_wallet(5_000), await api.new_wallet()
    await place(api, sal, asset, side="sell")
    answer = await api.post("/v1/orders", order_body(ada, asset, post_only=True))
    refused(answer, 409, "would_take", None)
    assert await available(api, ada) == 5_000


async def test_a_halted_asset_takes_no_orders_until_it_is_resumed(api: Api, asset: str) -> None:
    ada = await api.new_wallet(5_000)
    path = f"/v1/instruments/{asset}"
    assert ok(await api.post(f"{path}/halt", {"reason": "News."}))["is_halted"]
    refused(await api.post("/v1/orders", order_body(ada, asset)), 409, "trading_halted", None)
    assert not ok(await api.post(f"{path}/resume", {"reason": "Known."}))["is_halted"]
    await place(api, ada, asset)
    euro = {"currency": "EUR", "fee_basis_points": 1, "reason": "No."}
    refused(await api.put(path, euro), 409, "currency_fixed", "currency")
    wrong = {"currency": "USD", "fee_basis_points": 1, "price_low_minor": 0, "reason": "No."}
    refused(await api.put(path, wrong), 400, "invalid_instrument", None)
    wrong = {"currency": "USD", "fee_basis_points": 9_999, "reason": "No."}
    refused(await api.put(path, wrong), 400, "invalid_fee", "fee_basis_points")


async def events(api: Api, path: str, name: str, until: Any) -> list[Json]:
    """Read a stream until an event is as it is waited for."""
    found: list[Json] = []
    async with api.http.stream("GET", path, headers=api.headers()) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                if until(found[-1]):
                    break
    assert {one["object"] for one in found} == {name}
    return found


async def test_who_has_too_many_streams_follows_neither_an_order_nor_a_book(
    api: Api, asset: str
) -> None:
    order = await place(api, await api.new_wallet(5_000), asset)
    for path in (f"/v1/orders/{order['id']}/events", f"/v1/books/{asset}/events"):
        await refuses_one_too_many(api, path)


async def test_an_order_and_a_book_are_followed_as_they_change(
    server: Api, asset: str, assets: FakeAssets
) -> None:
    ada = await server.new_wallet(5_000)
    order = await place(server, ada, asset)
    path = f"/v1/orders/{order['id']}"
    followed = asyncio.create_task(
        events(server, f"{path}/events", "order", lambda one: one["status"] == "cancelled")
    )
    seen = asyncio.create_task(
        events(server, f"/v1/books/{asset}/events", "book", lambda one: not one["bids"])
    )
    ok(await server.post(f"{path}/replace", {"price_minor": 90, "quantity_lots": 5}))
    ok(await server.post(f"{path}/cancel", {"reason": "Enough."}))
    assert [one["version"] for one in await followed] == sorted(
        {one["version"] for one in await followed}
    )
    assert (await seen)[-1]["asks"] == []
    last = str((await followed)[-1]["version"])
    ended = await server.http.get(
        f"{path}/events", headers=server.headers() | {"Last-Event-ID": last}
    )
    assert ended.status_code == 204
