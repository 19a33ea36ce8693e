"""`/v1/trades`: two customers are in each, and each sees its own side of it."""

from dataclasses import dataclass
from itertools import count

import pytest

from perdure.api.keys import create_key
from perdure.bootstrap import Platform
from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import transaction
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.contracts import TradeRequest

from .api_client import Api, Wallet, ok, refused
from .test_event_stream import events
from .test_operations import move

NUMBERS = count(1)
NOBODYS = "trd_01h455vb4pex5vsknk084sn02q"


@dataclass
class Traders:
    """Two who trade, each with a key of its own."""

    api: Api
    platform: Platform
    ada: Wallet
    bob: Wallet

    async def key_of(self, wallet: Wallet) -> Api:
        _, secret = await create_key(
            self.platform.pool, "trader", ["trades:read"], wallet.customer_id
        )
        return self.api.as_key(secret)

    async def trade(self, buyer: Wallet, seller: Wallet, asset: str = "GEM") -> str:
        """Store a trade of 3 lots for 600, with fees of 6 and 3."""
        request = TradeRequest(
            asset=asset,
            quantity_lots=3,
            price_minor=200,
            currency="USD",
            trade_number=next(NUMBERS),
            buy_order_id="ord_buy",
            buyer_customer_id=buyer.customer_id,
            buyer_account_id=buyer.account_id,
            buyer_fee_minor=6,
            sell_order_id="ord_sell",
            seller_customer_id=seller.customer_id,
            seller_account_id=seller.account_id,
            seller_fee_minor=3,
        )
        async with transaction(self.platform.pool) as connection:
            trades = self.platform.kinds.own(TradeAcceptance)
            (operation,) = await trades.accept_trades(connection, [request])
        return operation.id


@pytest.fixture
async def traders(api: Api, platform: Platform) -> Traders:
    return Traders(api, platform, await api.new_wallet(100_000), await api.new_wallet(100_000))


async def test_each_side_sees_its_own_and_nothing_of_the_other(traders: Traders) -> None:
    ada, bob = traders.ada, traders.bob
    trade_id = await traders.trade(ada, bob)
    buyer = {
        "order_id": "ord_buy",
        "customer_id": ada.customer_id,
        "account_id": ada.account_id,
        "fee_minor": 6,
        "amount_minor": 606,
    }
    seller = {
        "order_id": "ord_sell",
        "customer_id": bob.customer_id,
        "account_id": bob.account_id,
        "fee_minor": 3,
        "amount_minor": 597,
    }
    path = f"/v1/trades/{trade_id}"
    async with transaction(traders.platform.pool) as connection:
        operation = await traders.platform.operations.get(trade_id)
        failure = Failure("account_not_open", f"{ada.account_id} {bob.account_id}", "open", "x")
        await store.move(
            connection, operation, Status.REVERSING, action="reversing", failure=failure
        )
    house = ok(await traders.api.get(path))
    assert (house["buyer"], house["seller"], house["value_minor"]) == (buyer, seller, 600)
    for mine, other, shown in (
        (ada, bob, {"buyer": buyer, "seller": None}),
        (bob, ada, {"buyer": None, "seller": seller}),
    ):
        caller = await traders.key_of(mine)
        answer = await caller.get(path)
        assert ok(answer) == house | shown | {"failure": answer.json()["failure"]}
        listed = await caller.get("/v1/trades")
        assert ok(listed)["data"] == [answer.json()]
        for told in (answer.text, listed.text):
            assert other.account_id not in told
            assert other.customer_id not in told
        asked = await caller.get("/v1/trades", account_id=other.account_id)
        assert ok(asked)["data"] == []
        asked = await caller.get("/v1/trades", customer_id=other.customer_id)
        refused(asked, 403, "other_customer", "customer_id")
    stranger = await traders.key_of(await traders.api.new_wallet())
    assert ok(await stranger.get("/v1/trades"))["data"] == []
    for one in (path, f"/v1/trades/{NOBODYS}"):
        refused(await stranger.get(one), 404, "trade_not_found", "id")


async def test_each_side_follows_its_trade_as_it_stands_until_it_has_ended(
    server: Api, platform: Platform
) -> None:
    traders = Traders(server, platform, await server.new_wallet(100_000), await server.new_wallet())
    trade_id = await traders.trade(traders.ada, traders.bob)
    path, caller = f"/v1/trades/{trade_id}/events", await traders.key_of(traders.bob)
    found = []
    async with server.http.stream("GET", path, headers=caller.headers()) as answer:
        stream = events(answer)
        found.append(await anext(stream))
        for status in (Status.PROCESSING, Status.SUCCEEDED):
            await move(platform.pool, trade_id, status, "moved")
            found.append(await anext(stream))
        assert [one async for one in stream] == []
    assert [one.data["status"] for one in found] == ["pending", "processing", "succeeded"]
    assert {one.name for one in found} == {"trade"}
    assert all(one.data["buyer"] is None and one.data["seller"] is not None for one in found)
    headers = caller.headers() | {"Last-Event-ID": found[-1].id}
    assert (await server.http.get(path, headers=headers)).status_code == 204
    stranger = await traders.key_of(await server.new_wallet())
    refused(await stranger.get(path), 404, "trade_not_found", "id")


async def test_a_trade_is_called_off_by_the_house_alone(traders: Traders) -> None:
    trade_id = await traders.trade(traders.ada, traders.bob)
    path, body = f"/v1/operations/{trade_id}/cancel", {"reason": "It is wanted."}
    pool, scopes = traders.platform.pool, ["operations:write"]
    _, secret = await create_key(pool, "ada", scopes, traders.ada.customer_id)
    refused(await traders.api.as_key(secret).post(path, body), 404, "operation_not_found", "id")
    _, secret = await create_key(pool, "operator", scopes)
    ok(await traders.api.as_key(secret).post(path, body))
    seen = ok(await traders.api.get(f"/v1/trades/{trade_id}"))
    assert seen["cancel_request"]["reason"] == "It is wanted."


async def test_they_are_listed_by_side_account_and_asset_page_by_page(traders: Traders) -> None:
    ada, bob = traders.ada, traders.bob
    both = Wallet(ada.customer_id, bob.account_id)
    asset = f"GEM-{ada.customer_id}"
    made = [
        await traders.trade(buyer, seller, one)
        for buyer, seller, one in (
            (ada, bob, asset),
            (bob, ada, asset),
            (ada, both, "RUBY"),  # on both sides of it: found once
        )
    ][::-1]

    async def ids(**query: object) -> list[str]:
        return [one["id"] for one in ok(await traders.api.get("/v1/trades", **query))["data"]]

    assert await ids(customer_id=ada.customer_id) == made
    assert await ids(customer_id=bob.customer_id) == made[1:]
    assert await ids(account_id=bob.account_id) == made
    assert await ids(account_id=bob.account_id, customer_id=ada.customer_id) == made[:1]
    assert await ids(asset=asset) == made[1:]
    assert await ids(asset=asset, account_id=ada.account_id, limit=1) == [made[1]]
    assert await ids(account_id=ada.account_id, status="succeeded") == []
    page = ok(await traders.api.get("/v1/trades", account_id=ada.account_id, limit=2))
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (made[:2], True)
    assert await ids(account_id=ada.account_id, starting_after=made[1]) == made[2:]
