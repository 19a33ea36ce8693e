"""What `perdure demo trades` asks for, and how it compares two books."""

from collections import Counter

from perdure.trades.demo_figures import differences
from perdure.trades.demo_orders import Trader, plan_orders
from perdure.trades.possessions import Possessions

TRADERS = [Trader(f"cus_{n}", {"USD": f"acc_usd_{n}", "EUR": f"acc_eur_{n}"}) for n in range(3)]
PAUPER = Trader("cus_poor", {"USD": "acc_usd_poor", "EUR": "acc_eur_poor"})


def test_the_orders_are_of_every_kind_and_the_same_each_time() -> None:
    planned = list(plan_orders(100, TRADERS, PAUPER))
    assert planned == list(plan_orders(100, TRADERS, PAUPER))
    bodies = [one.body for one in planned]
    assert {one.get("time_in_force", "gtc") for one in bodies} == {"gtc", "gtd", "ioc", "fok"}
    assert {one.get("self_trade") for one in bodies} == {
        *(None, "expire_taker", "expire_maker", "expire_both", "decrement")
    }
    assert any(one.get("post_only") for one in bodies)
    assert any(one["customer_id"] == PAUPER.customer_id for one in bodies)
    assert any(one["price_minor"] == 0 for one in bodies)
    assert sum(one.is_cancelled for one in planned) == 20
    assert len({one["reference"] for one in bodies}) == 100
    assert all(
        ("expires_at" in one.body_now()) == (one.body.get("time_in_force") == "gtd")
        for one in planned
    )


def test_whoever_has_something_else_than_our_books_say_is_named() -> None:
    found = Possessions(
        Counter({("acc_1", "GEM"): 3, ("acc_2", "GEM"): 4}), blocked=Counter({("acc_1", "GEM"): 1})
    )
    expected = Possessions(Counter({("acc_1", "GEM"): 7}), money=Counter({("acc_1", "USD"): 5}))
    assert differences(found, expected) == [
        "acc_1 has 3 GEM; by our books it is 7.",
        "acc_2 has 4 GEM; by our books it is 0.",
        "acc_1 has 1 GEM blocked; by our books it is 0.",
        "acc_1 has 0 USD in the wallet; by our books it is 5.",
    ]
    assert found.sums() == {"GEM": 7}
