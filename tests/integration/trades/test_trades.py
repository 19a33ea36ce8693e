"""Trades on the real servers: exchanged in every gear, whatever happens, or given back whole."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from temporalio.client import Client

from perdure.core.errors import Conflict
from perdure.ledger.model import AccountStatus
from perdure.notifications.contracts import Party
from perdure.operations.lanes.store import interactive_lane
from perdure.operations.model import HOUSE, By
from perdure.testing.polls import eventually
from perdure.trades.verify import ASSET_BOOKS, WALLET_BOOKS, violations

from .exchange import FUNDS_MINOR, PAID_MINOR, Case, Exchange, open_exchange

BY = By("ada", "It is wanted.")
METHODS = {"Block": None, "Transfer": 0, "Deliver": interactive_lane(0)}
"""What is asked of the services, and the gear in which each is tried; test_contract.py has all."""


@pytest.fixture(scope="module")
async def opened(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    folder = tmp_path_factory.mktemp("exchange")
    async with open_exchange(postgres_url, temporal_client, folder) as exchange:
        yield exchange


@pytest.fixture
async def exchange(opened: Exchange) -> AsyncIterator[Exchange]:
    """An exchange whose services treat all as they should, once the test is over."""
    yield opened
    await opened.mend()


async def test_asset_and_money_are_exchanged_in_one_commit_t3(exchange: Exchange) -> None:
    buyer, seller = Party("Ada", "ada@example.com"), Party("Bob", None, "+33123456789")
    case = await exchange.trade(buyer=buyer, seller=seller)
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)
    ended = await exchange.house.platform.operations.get(case.id)
    assert (ended.customer_id, ended.reference) == (HOUSE, case.request.name)


async def test_two_orders_that_cross_are_exchanged_and_an_asset_is_not_sold_twice_t1_t2(
    exchange: Exchange,
) -> None:
    """By the API: the asset service sets aside, and delivers, what there is and no more."""
    buyer, seller = [await exchange.house.account(funds_minor=funds) for funds in (FUNDS_MINOR, 0)]
    await exchange.give(seller, "RING", 5)
    await exchange.give(buyer, "RING", 0)
    listed = {"currency": "USD", "fee_basis_points": 100, "reason": "New."}
    assert (await exchange.house.api.put("/v1/instruments/RING", json=listed)).is_success
    selling = [
        exchange.order(seller, "sell", lots=3, at=90, reference=f"sell-{number}")
        for number in range(3)
    ]
    sold = await asyncio.gather(*selling)
    # One of them, whichever: the others would sell what is sold already.
    assert sorted(status for status, _ in sold) == [201, 402, 402]
    assert {one["error"]["code"] for status, one in sold if status == 402} == {"order_rejected"}
    status, bought = await exchange.order(buyer, "buy", lots=5, at=100)
    assert (status, bought["status"], bought["filled_minor"]) == (201, "partly_filled", 270)
    (trade,) = (await exchange.house.api.get("/v1/trades", params={"asset": "RING"})).json()["data"]
    assert (await exchange.house.end_of(trade["id"])).status == "succeeded"
    owned = [(one.owner, one.quantity_lots) async for one in exchange.assets.holdings("RING")]
    assert sorted(owned) == sorted([(seller["account_id"], 2), (buyer["account_id"], 3)])
    assert (await exchange.house.balance(seller)).posted_minor == 270 - 3
    await exchange.house.api.post(f"/v1/orders/{bought['id']}/cancel", json={"reason": "Enough."})
    assert (await exchange.house.balance(buyer)).available_minor == FUNDS_MINOR - 270 - 3


@pytest.mark.parametrize(("method", "lane"), METHODS.items(), ids=METHODS)
async def test_a_lost_answer_is_found_out_and_nothing_is_done_twice_t6(
    exchange: Exchange, method: str, lane: int | None
) -> None:
    """What the service does a second time if it is asked again is asked about instead."""
    fault = {"fault": "cut_after", "methods": [method], "first": 1}
    at_wallets = method == "Transfer"
    case = await exchange.trade(
        lane=lane, assets=None if at_wallets else fault, wallets=fault if at_wallets else None
    )
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)


REFUSALS = {
    "Block": "holding_frozen",
    "Transfer": "wallet_frozen",
    "Deliver": "recipient_frozen",
}


@pytest.mark.parametrize(("method", "lane"), METHODS.items(), ids=METHODS)
async def test_what_is_refused_on_the_way_is_undone_in_reverse_t8(
    exchange: Exchange, method: str, lane: int | None
) -> None:
    fault = {"fault": "refused", "methods": [method]}
    at_wallets = method == "Transfer"
    case = await exchange.trade(
        lane=lane, assets=None if at_wallets else fault, wallets=fault if at_wallets else None
    )
    assert await exchange.ended(case) == ("failed", REFUSALS[method])
    assert not await exchange.is_exchanged(case)
    steps = await exchange.house.steps(case.id)
    undoing = [one for one in steps if one.startswith(("return_money", "unblock_asset"))]
    done = {"Block": [], "Transfer": ["unblock_asset:succeeded"]}
    both = ["return_money:succeeded", "unblock_asset:succeeded"]
    assert undoing == done.get(method, both)
    with pytest.raises(Conflict):
        await exchange.house.platform.operations.actions.relaunch(case.id, BY)


async def test_a_trade_called_off_before_it_is_delivered_goes_back_t8(exchange: Exchange) -> None:
    """Its money has moved already: it is returned."""
    case = await exchange.trade(assets={"fault": "unavailable_before", "methods": ["Deliver"]})
    await eventually(partial(_has_tried, exchange, case, "deliver_asset"))
    await exchange.house.platform.operations.actions.cancel(case.id, BY)
    assert await exchange.ended(case) == ("cancelled", "cancelled")
    assert not await exchange.is_exchanged(case)


async def test_delivered_is_the_point_of_no_return_whoever_calls_it_off_t8(
    exchange: Exchange,
) -> None:
    """Nobody heard of the delivery when it was called off: the way back finds it, and stops."""
    case = await exchange.trade(assets={"fault": "cut_after", "methods": ["Deliver"]})
    await eventually(partial(_has_tried, exchange, case, "deliver_asset"))
    await exchange.house.platform.operations.actions.cancel(case.id, BY)
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)


async def test_an_undoing_that_is_refused_is_parked_and_relaunched_t8(exchange: Exchange) -> None:
    case = await exchange.trade(
        assets={"fault": "refused", "methods": ["Deliver"]},
        wallets={"fault": "refused", "methods": ["Reverse"]},
    )
    parked = await exchange.house.until(case.id, ["needs_attention"])
    assert parked.failure is not None
    assert parked.failure.step == "trade.return_money"
    await exchange.mend()
    await exchange.house.platform.operations.actions.relaunch(case.id, BY)
    assert await exchange.ended(case) == ("failed", "recipient_frozen")
    assert not await exchange.is_exchanged(case)


@pytest.mark.parametrize(
    ("lane", "methods", "fault", "shown"),
    [
        (None, ["Block", "GetBlock"], "other_owner", "owner 'acc_"),
        (0, ["Transfer", "GetTransfer"], "other_amount", "amount_minor 60600 instead of 606"),
        (interactive_lane(0), ["Deliver", "GetBlock"], "other_asset", "asset 'GEM-other' instead"),
    ],
    ids=["own", "flood", "auto"],
)
async def test_an_answer_that_differs_parks_the_trade_with_both_values_t8(
    exchange: Exchange, lane: int | None, methods: list[str], fault: str, shown: str
) -> None:
    """Each other answer that may be wrong is in `test_answers`."""
    lie = {"fault": fault, "methods": methods}
    at_wallets = "Transfer" in methods
    case = await exchange.trade(
        lane=lane, assets=None if at_wallets else lie, wallets=lie if at_wallets else None
    )
    parked = await exchange.house.until(case.id, ["needs_attention"])
    assert parked.failure is not None
    assert parked.failure.code == "provider_disagrees"
    assert shown in parked.failure.message
    await exchange.mend()
    await exchange.house.platform.operations.actions.relaunch(case.id, BY)
    assert await exchange.ended(case) == ("succeeded", None)
    assert await exchange.is_exchanged(case)


@pytest.mark.parametrize("lane", [None, 0], ids=["own", "flood"])
@pytest.mark.parametrize("side", ["buyer", "seller"])
async def test_an_account_that_is_blocked_after_the_fill_holds_its_own_trade_up_at_most_t8(
    exchange: Exchange, lane: int | None, side: str
) -> None:
    """What is held already is paid. Who cannot be paid is paid once the account is open again."""
    blocked = await exchange.trade(lane=lane, begins=False)
    other = await exchange.trade(lane=lane, begins=False)
    account = getattr(blocked, side)
    await exchange.block(account, AccountStatus.FROZEN)
    for case in (blocked, other):
        await exchange.house.platform.operations.begin(case.operation)
    assert await exchange.ended(other) == ("succeeded", None)
    if side == "seller":
        parked = await exchange.house.until(blocked.id, ["needs_attention"])
        assert parked.failure is not None
        assert (parked.failure.code, parked.failure.step) == ("account_not_open", "trade.settle")
        assert (await exchange.house.balance(blocked.buyer)).debits_pending_minor == PAID_MINOR
        await exchange.block(account, AccountStatus.OPEN)
        await exchange.house.platform.operations.actions.relaunch(blocked.id, BY)
    assert await exchange.ended(blocked) == ("succeeded", None)
    assert await exchange.is_exchanged(blocked)


async def test_an_undoing_that_is_always_answered_too_late_is_found_done_t8(
    exchange: Exchange,
) -> None:
    case = await exchange.trade(
        assets={"fault": "delay", "methods": ["Unblock"]},
        wallets={"fault": "refused", "methods": ["Transfer"]},
    )
    assert await exchange.ended(case) == ("failed", "wallet_frozen")
    assert not await exchange.is_exchanged(case)


async def test_a_trade_that_is_known_by_its_number_is_the_stored_one(exchange: Exchange) -> None:
    request, buyer, _ = await exchange.request()
    first, second = [(await exchange.accept([request], None))[0] for _ in range(2)]
    assert (second.id, second.is_repeat) == (first.id, True)
    assert (await exchange.house.balance(buyer)).available_minor == 100_000 - request.paid_minor
    await exchange.house.platform.operations.begin(first)
    await exchange.house.end_of(first.id)


async def test_the_books_of_all_three_agree_t8(exchange: Exchange) -> None:
    """After all that was done to these trades: ours, and both services' own."""
    assert await violations(exchange.house.platform.pool) == []
    assert await exchange.differences(ASSET_BOOKS, exchange.assets) == []
    assert await exchange.differences(WALLET_BOOKS, exchange.wallets) == []


async def _has_tried(exchange: Exchange, case: Case, step: str) -> bool:
    return any(one.startswith(f"{step}:") for one in await exchange.house.steps(case.id))
