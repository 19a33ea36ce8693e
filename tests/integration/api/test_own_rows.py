"""With the API's own filter taken out, a customer's key sees its own alone: the database says so.

Every route is asked, as `test_customer_keys.py` asks it: one that reads past `seen` is found here.
"""

import sys

import pytest

from perdure.api.keys import ApiKey
from perdure.storage.pool import Pool

from .api_client import Api, ok, refused
from .kept_routes import ROUTES, Kept, Route, World
from .test_customer_keys import world
from .test_orders import asset, assets, order_body

__all__ = ["asset", "assets", "world"]


@pytest.fixture
def no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out whatever looks whose something is."""
    monkeypatch.setattr(ApiKey, "sees", lambda *_: True)
    for name, module in list(sys.modules.items()):
        if name.startswith("perdure.") and hasattr(module, "own_customer"):
            monkeypatch.setattr(module, "own_customer", lambda _caller, customer_id: customer_id)


OTHERWISE = {
    "/v1/orders",  # of an asset that is traded: below
    # An aggregator is asked first, and there is none here.
    *("/v1/bank-items", "/v1/bank-items/link-token"),
}


def routes(*kept: Kept) -> list[Route]:
    return [route for route in ROUTES if route.kept in kept]


@pytest.fixture
async def unfiltered(world: World, no_filter: None) -> World:
    return world


async def test_what_is_anothers_is_not_there_e13(unfiltered: World) -> None:
    for route in routes(Kept.HIDDEN):
        answer = await route.send(unfiltered)
        assert answer.status_code == 404, f"{route}: {answer.text}"
        assert unfiltered.other.customer_id not in answer.text


async def test_a_list_has_its_own_only_e13(unfiltered: World) -> None:
    mine, other = unfiltered.mine.customer_id, unfiltered.other.customer_id
    for route in routes(Kept.FILTERED):
        page = ok(await unfiltered.customer.get(route.path, limit=100))
        assert {item["customer_id"] for item in page["data"]} == {mine}, route
        page = ok(await unfiltered.customer.get(route.path, limit=100, customer_id=other))
        assert page["data"] == [], route


async def test_statements_are_of_its_own_accounts_only_e13(unfiltered: World) -> None:
    mine, other = unfiltered.mine.account_id, unfiltered.other.account_id
    page = ok(await unfiltered.customer.get(f"/v1/accounts/{mine}/transfers"))
    assert [one["credit_account_id"] for one in page["data"]] == [mine]
    for path in ("", "/balance", "/transfers"):
        answer = await unfiltered.customer.get(f"/v1/accounts/{other}{path}")
        refused(answer, 404, "account_not_found", "id")


async def test_nothing_is_made_in_anothers_name_e13(unfiltered: World) -> None:
    for route in routes(Kept.REFUSED):
        if route.method == "GET":
            assert (await route.send(unfiltered)).status_code == 404, route
        elif route.path not in OTHERWISE:
            refused(await route.send(unfiltered), 403, "other_customer", "customer_id")
    for route in routes(Kept.REJECTED):
        (told,) = ok(await route.send(unfiltered))["data"]
        assert (told["id"], told["failure"]["code"]) == (None, "other_customer"), route


async def test_no_order_is_placed_in_anothers_name_e13(
    unfiltered: World, asset: str, pool: Pool, api: Api
) -> None:
    theirs = order_body(unfiltered.other, asset)
    refused(
        await unfiltered.customer.post("/v1/orders", theirs), 403, "other_customer", "customer_id"
    )
    placed = await unfiltered.customer.post("/v1/orders", order_body(unfiltered.mine, asset))
    assert placed.status_code == 201, placed.text
