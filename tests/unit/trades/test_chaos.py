"""Whatever is wrong with a round's trades is found: each test breaks what is well."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest

from perdure.chaos.plan import plan_round
from perdure.chaos.planned import POOR_WALLET, Asked, Contact, Plan, Planned, Sending
from perdure.chaos.seen import Seen, Storm
from perdure.simulators.grpc_faults import BY_NAME
from perdure.trades.chaos import MISFORTUNES
from perdure.trades.chaos_figures import (
    OPENING_LOTS,
    OPENING_MINOR,
    Left,
    OrderRow,
    TradeRow,
    findings,
)
from perdure.trades.possessions import Possessions

ASSET = "GEM-7"
ADA, BOB = "acc_ada", "acc_bob"
BUY, SELL, RESTED, REFUSED = "buy", "sell", "rested", "refused"


def planned(key: str, email: str | None = None) -> Planned:
    asked = Asked(amount_minor=0, method=key, body={"asset": ASSET}, customer=Contact(email, None))
    return Planned(
        kind="trades",
        key=key,
        asked=asked,
        wallet=0,
        sending=Sending.ONCE,
        cancel_after_s=None,
        bulk=False,
        refunded=False,
        by="orders",
    )


@dataclass
class World:
    """Two orders that traded, one that rested and was cancelled, and one that was rejected."""

    planned: list[Planned]
    storm: Storm
    orders: list[OrderRow]
    trades: list[TradeRow]
    services: Possessions
    told: Counter[str]

    def found(self) -> set[str]:
        left = Left(self.orders, self.trades, self.services)
        return {one.name for one in findings(self.planned, self.storm, left, self.told)}


@pytest.fixture
def world() -> World:
    orders = [
        OrderRow("ord_1", BUY, "filled", None),
        OrderRow("ord_2", SELL, "filled", None),
        OrderRow("ord_3", RESTED, "cancelled", "requested"),
        OrderRow("ord_4", REFUSED, "rejected", "insufficient_holding"),
    ]
    trade = TradeRow(
        "trd_1", "succeeded", None, True, ASSET, 3, ADA, BOB, "ord_1", "ord_2", 306, 297
    )
    plan = Plan(7, "cus_7", (), (), (), 0.0)
    seen = {order.key: Seen([order.id]) for order in orders}
    seen[REFUSED].refusals.append("order_rejected")
    money = {(ADA, "USD"): -306, (BOB, "USD"): 297, ("house", "USD"): 9 - OPENING_MINOR}
    return World(
        [planned(BUY, "person+buy@x"), planned(SELL), planned(RESTED), planned(REFUSED)],
        Storm(plan, [ADA, BOB], seen),
        orders,
        [trade],
        Possessions(
            assets=Counter({(ADA, ASSET): OPENING_LOTS + 3, (BOB, ASSET): OPENING_LOTS - 3}),
            money=Counter({place: OPENING_MINOR + moved for place, moved in money.items()}),
        ),
        Counter({"person+buy@x": 1}),
    )


def test_nothing_is_found_where_all_is_well(world: World) -> None:
    assert world.found() == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"status": "open"}, {"not_ended"}),
        ({"key": "other"}, {"lost", "not_asked_for"}),
    ],
)
def test_an_order_that_is_not_over_or_not_there_is_found(
    world: World, change: dict[str, Any], found: set[str]
) -> None:
    world.orders[2] = replace(world.orders[2], **change)
    assert world.found() == found


def test_what_callers_were_answered_is_looked_at(world: World) -> None:
    world.orders.append(OrderRow("ord_5", RESTED, "cancelled", "requested"))
    world.storm.seen[SELL] = Seen()
    world.storm.seen[BUY].refusals.append("order_rejected")
    world.storm.seen[REFUSED].cancellation = "order_not_found"
    assert world.found() == {"doubled", "not_answered", "refused", "cancellation_failed"}


def test_only_the_poor_wallet_may_lack_money(world: World) -> None:
    world.storm.seen[RESTED].refusals.append("insufficient_funds")
    assert world.found() == {"refused"}
    world.planned[2] = replace(world.planned[2], wallet=POOR_WALLET)
    assert world.found() == set()


def test_a_trade_that_is_not_over_or_waited_for_no_good_reason_is_found(world: World) -> None:
    world.storm.released["trade"].update({"provider_disagrees": 2, "defect": 1})
    assert world.found() == {"parked_without_reason"}
    world.trades.append(
        replace(world.trades[0], id="trd_2", status="processing", is_finished=False)
    )
    assert world.found() == {"parked_without_reason", "not_ended"}


def test_who_has_something_else_than_was_traded_is_found(world: World) -> None:
    world.services.assets[ADA, ASSET] += 1
    assert world.found() == {"owner_differs", "totals_differ"}
    world.services.assets[BOB, ASSET] -= 1
    assert world.found() == {"owner_differs"}
    world.services.assets.update({(ADA, ASSET): -1, (BOB, ASSET): 1})
    world.services.money["house", "USD"] += 1
    assert world.found() == {"totals_differ"}


def test_what_is_set_aside_in_the_end_is_found(world: World) -> None:
    world.services.reserved[BOB, ASSET] = 1
    world.services.blocked[BOB, ASSET] = 2
    world.services.blocked[BOB, "ANOTHER"] = 2
    assert world.found() == {"still_reserved", "still_blocked"}


@pytest.mark.parametrize(("got", "found"), [(0, "message_missing"), (2, "message_doubled")])
def test_who_was_not_told_once_of_each_trade_is_found(world: World, got: int, found: str) -> None:
    world.told["person+buy@x"] = got
    assert world.found() == {found}


def test_a_few_plans_have_every_asset_and_term() -> None:
    plans = [plan_round(seed, {"trades": 100}) for seed in range(12)]
    bodies = [each.asked.body for plan in plans for each in plan.operations]
    first_words = {body["asset"].partition("-")[0] for body in bodies}
    assert first_words >= {*MISFORTUNES, "GEM", "RELIC", "STAMP"}
    assert {*MISFORTUNES} <= {*BY_NAME}
    assert {body.get("time_in_force") for body in bodies} == {"gtc", "ioc", "fok", None}
    assert {body["side"] for body in bodies} == {"buy", "sell"}
    assert plan_round(3, {"trades": 100}) == plans[3]
    assert {each.path for plan in plans for each in plan.operations} == {"/v1/orders"}
