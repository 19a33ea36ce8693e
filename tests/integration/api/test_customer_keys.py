"""A customer's key sees and changes nothing of another customer's, by any route there is.

A route that is added has to be listed in `ROUTES`, with how such a key is kept out of it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts

from perdure.api.app import create_app
from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.console.rendering import HOME
from perdure.core.clock import utc_now
from perdure.core.ids import new_id
from perdure.renewals.domains import NewDomain, import_many
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Wallet, created, ok, payment_body, refused
from .kept_routes import ROUTES, Kept, Route, World, onboarding_body, renewal_body, sync_body
from .test_orders import new_order
from .test_transfers import transfer_body


def routes(kept: Kept) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "route", [route for route in ROUTES if route.kept is kept], ids=str
    )


async def new_domain(pool: Pool, wallet: Wallet) -> str:
    name = f"{uuid4().hex[:12]}.info"
    expires_on = utc_now().date() + timedelta(days=30)
    async with transaction(pool) as connection:
        await import_many(connection, [NewDomain(name, wallet.customer_id, expires_on)])
    return name


async def new_item(pool: Pool, wallet: Wallet) -> str:
    """Return the item of a customer who has linked a bank."""
    item_id = new_id("bki")
    await pool.execute(
        "INSERT INTO bank_items (id, customer_id, provider_item_id) VALUES ($1, $2, $1)",
        item_id,
        wallet.customer_id,
    )
    return item_id


@pytest.fixture
async def world(api: Api, pool: Pool) -> AsyncIterator[World]:
    """Two customers with operations, and the first one's key; at the end nothing has changed."""
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    _, secret = await create_key(pool, "shop", [ADMIN], mine.customer_id)
    customer = api.as_key(secret)
    created(await customer.pay(mine))
    created(await customer.post("/v1/transfers", transfer_body(mine)))
    created(await customer.post("/v1/onboardings", onboarding_body(mine.customer_id)))
    item_id = await new_item(pool, other)
    created(await customer.post("/v1/bank-syncs", sync_body(mine, await new_item(pool, mine))))
    sync = created(await api.post("/v1/bank-syncs", sync_body(other, item_id)))
    own_domain, domain = await new_domain(pool, mine), await new_domain(pool, other)
    created(await customer.post("/v1/renewals", renewal_body(mine, own_domain)))
    payment = created(await api.pay(other))
    transfer = created(await api.post("/v1/transfers", transfer_body(other)))
    renewal = created(await api.post("/v1/renewals", renewal_body(other, domain)))
    onboarding = created(await api.post("/v1/onboardings", onboarding_body(other.customer_id)))
    ids = (payment["id"], transfer["id"], renewal["id"])
    _, order_id = await new_order(pool, mine), await new_order(pool, other)
    more = (order_id, onboarding["id"], item_id, sync["id"])
    world = World(pool, customer, mine, other, *ids, domain, *more)
    before = await world.rows()
    assert len(before["operations"]) == 5
    yield world
    assert await world.rows() == before


def test_every_route_is_listed_here_r6(platform: Platform) -> None:
    found = {
        (method, str(route.path))
        for route in iter_route_contexts(create_app(platform).routes)
        for method in (route.methods or {"*"}) - {"HEAD"}
        # The console is the house's alone: `console/test_signing_in.py` tries its routes.
        if not str(route.path).startswith(HOME)
    }
    assert found == {(route.method, route.path) for route in ROUTES}


@routes(Kept.HIDDEN)
async def test_what_is_anothers_is_not_there_r6(world: World, route: Route) -> None:
    answer = await route.send(world)
    assert answer.status_code == 404, answer.text
    unknown = World(
        world.pool,
        world.customer,
        world.mine,
        Wallet("cus_nobody", "acc_01h455vb4pex5vsknk084sn02q"),
        "pay_01h455vb4pex5vsknk084sn02q",
        "tfr_01h455vb4pex5vsknk084sn02q",
        "rnw_01h455vb4pex5vsknk084sn02q",
        "nobodys.info",
    )
    never = await route.send(unknown)
    assert never.status_code == 404
    ids = (
        *(world.payment_id, world.transfer_id, world.renewal_id),
        *(world.order_id, world.onboarding_id, world.other.account_id),
        *(world.item_id, world.bank_sync_id),
    )
    asked = next(found for found in ids if found in answer.text)
    told, told_of_nothing = answer.json()["error"], never.json()["error"]
    assert (told["code"], told["param"]) == (told_of_nothing["code"], told_of_nothing["param"])
    assert told["message"].replace(asked, "") == told_of_nothing["message"].replace(
        asked[:3] + "_01h455vb4pex5vsknk084sn02q", ""
    )
    assert world.other.customer_id not in answer.text


@routes(Kept.FILTERED)
async def test_a_list_has_its_own_only_r6(world: World, route: Route) -> None:
    page = ok(await world.customer.get(route.path, limit=100))
    assert page["data"]
    assert {item["customer_id"] for item in page["data"]} == {world.mine.customer_id}
    for name, theirs in (
        ("starting_after", world.payment_id),
        ("ending_before", world.payment_id),
        ("reference", "first"),
        ("status", "pending"),
    ):
        answer = await world.customer.get(route.path, **{name: theirs})
        assert world.other.customer_id not in answer.text
    asked = await world.customer.get(route.path, customer_id=world.other.customer_id)
    refused(asked, 403, "other_customer", "customer_id")


@routes(Kept.REJECTED)
async def test_no_item_is_made_in_anothers_name(world: World, route: Route) -> None:
    (told,) = ok(await route.send(world))["data"]
    assert (told["id"], told["status"]) == (None, "rejected")
    assert (told["failure"]["code"], told["failure"]["param"]) == ("other_customer", "customer_id")


@routes(Kept.REFUSED)
async def test_nothing_is_made_in_anothers_name_r6(world: World, route: Route) -> None:
    refused(await route.send(world), 403, "other_customer", "customer_id")


@routes(Kept.HOUSE)
async def test_what_is_the_houses_is_the_houses_alone_r6(world: World, route: Route) -> None:
    refused(await route.send(world), 403, "house_only")


@routes(Kept.SIGNED)
async def test_a_key_is_no_signature(world: World, route: Route) -> None:
    assert (await route.send(world)).status_code in {400, 401}


async def test_anothers_account_pays_for_nothing(world: World) -> None:
    theirs = {"account_id": world.other.account_id}
    for path, body in (
        ("/v1/payments", payment_body(world.mine)),
        ("/v1/transfers", transfer_body(world.mine)),
        ("/v1/renewals", renewal_body(world.mine, await new_domain(world.pool, world.mine))),
    ):
        answer = await world.customer.post(path, body | theirs)
        refused(answer, 404, "account_not_found", "account_id")


async def test_anothers_domain_is_not_renewed_nor_known(world: World) -> None:
    said = [
        refused(
            await world.customer.post("/v1/renewals", renewal_body(world.mine, domain)),
            404,
            "domain_not_found",
            "domain",
        ).replace(domain, "")
        for domain in (world.domain, "nobodys-at-all.info")
    ]
    assert said[0] == said[1]


async def test_anothers_idempotency_key_answers_nothing(world: World, api: Api) -> None:
    created(await api.pay(world.mine, key="monday"))
    own = created(await world.customer.pay(world.mine, key="monday"))
    again = await world.customer.pay(world.mine, key="monday")
    assert created(again) == own
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_customer_follows_its_own_to_the_end_r6(world: World) -> None:
    page = ok(await world.customer.get("/v1/operations"))
    for operation in page["data"]:
        path = f"/v1/operations/{operation['id']}"
        assert ok(await world.customer.get(path)) == operation
        (first,) = ok(await world.customer.get(f"{path}/timeline"))["data"]
        assert (first["action"], first["actor"]) == ("accepted", "customer_key:shop")
        ok(await world.customer.post(f"{path}/cancel", {"reason": "changed my mind"}))


def test_no_correction_reaches_anothers_account(platform: Platform) -> None:
    for name in ("payment", "transfer", "renewal"):
        kind = platform.kinds.actions[name]
        assert kind.correctable
        assert not {"customer_id", "account_id", "domain"} & kind.correctable.keys()
