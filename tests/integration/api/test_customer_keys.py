"""A customer's key sees and changes nothing of another customer's, by any route there is.

A route that is added has to be listed in `ROUTES`, with how such a key is kept out of it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from perdure.api.app import create_app
from perdure.api.keys import create_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.core.clock import utc_now
from perdure.renewals.domains import NewDomain, import_many
from perdure.storage.pool import Pool, transaction

from .api_client import Api, Json, Wallet, created, ok, payment_body, refused
from .test_transfers import transfer_body


@dataclass(frozen=True)
class World:
    """A customer's key, and what another customer has."""

    pool: Pool
    customer: Api
    mine: Wallet
    other: Wallet
    payment_id: str
    transfer_id: str
    renewal_id: str
    domain: str

    def path(self, template: str) -> str:
        """The route's address of what the other has."""
        return template.format(
            account_id=self.other.account_id,
            operation_id=self.transfer_id,
            payment_id=self.payment_id,
            transfer_id=self.transfer_id,
            renewal_id=self.renewal_id,
            flag_key="renewals-engine",
            provider="gateway",
            part="registry-info",
            name=self.domain,
            bulk_id="blk_01h455vb4pex5vsknk084sn02q",
            list_id="bll_01h455vb4pex5vsknk084sn02q",
        )

    async def rows(self) -> dict[str, list[str]]:
        """All that is the other's, or the house's, as the database has it."""
        whose = {
            "operations": "customer_id = $1",
            "operation_trail": (
                "operation_id IN (SELECT id FROM operations WHERE customer_id = $1)"
            ),
            "domains": "customer_id = $1",
            "ledger_accounts": "customer_id = $1",
            "ledger_balances": (
                "account_id IN (SELECT id FROM ledger_accounts WHERE customer_id = $1)"
            ),
            "api_keys": "customer_id IS NULL OR customer_id = $1",
            "flags": "$1 <> ''",
        }
        return {
            table: [
                row["row"]
                for row in await self.pool.fetch(
                    f"SELECT {table}::text AS row FROM {table} WHERE {condition} ORDER BY 1",
                    self.other.customer_id,
                )
            ]
            for table, condition in whose.items()
        }


class Kept(Enum):
    """How a customer's key is kept from what is not its customer's."""

    OPEN = auto()
    """It is not: there is nothing of anybody's."""
    SIGNED = auto()
    """No key opens it: who calls proves it by a signature."""
    HOUSE = auto()
    """It is the house's alone: 403."""
    HIDDEN = auto()
    """What is another's is not there: 404, as for what never was."""
    FILTERED = auto()
    """The list has its own only; asking for another's is refused: 403."""
    REFUSED = auto()
    """It cannot be done in another's name: 403, with the field."""
    REJECTED = auto()
    """The same, of each item by itself: 200, and each is rejected."""


def _no_body(_world: World) -> Json:
    return {}


def _with_reason(_world: World) -> Json:
    return {"reason": "mischief"}


def renewal_body(wallet: Wallet, domain: str) -> Json:
    return {
        "customer_id": wallet.customer_id,
        "account_id": wallet.account_id,
        "domain": domain,
    }


def _batch_of(body: Callable[[World], Json]) -> Callable[[World], Json]:
    return lambda world: {"items": [body(world)]}


@dataclass(frozen=True)
class Route:
    """A route, and a request that is aimed at what is another's."""

    method: str
    path: str
    kept: Kept
    body: Callable[[World], Json] = field(default=_no_body, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    async def send(self, world: World) -> httpx.Response:
        return await world.customer.http.request(
            self.method,
            world.path(self.path),
            json=self.body(world) if self.method != "GET" else None,
            headers=world.customer.headers(),
        )


OF_OPERATION = [f"{{operation_id}}{path}" for path in ("", "/timeline", "/events")]
OF_FLAGS = ("", "/{flag_key}", "/{flag_key}/changes")
OF_ACCOUNT = ("{account_id}/balance", "{account_id}/transfers")
OF_BULK, OF_LIST = ("/{bulk_id}", "/{bulk_id}/items"), ("", "/{list_id}/ids")
ROUTES = [
    Route("GET", "/openapi.json", Kept.OPEN),
    Route("GET", "/docs", Kept.OPEN),
    Route("GET", "/docs/oauth2-redirect", Kept.OPEN),
    Route("*", "/static-offline-docs", Kept.OPEN),
    Route("GET", "/healthz", Kept.OPEN),
    Route("GET", "/readyz", Kept.OPEN),
    Route("POST", "/v1/callbacks/gateway", Kept.SIGNED),
    Route("POST", "/v1/payments", Kept.REFUSED, lambda world: payment_body(world.other)),
    Route("GET", "/v1/payments/{payment_id}/workflow", Kept.HIDDEN),
    Route("POST", "/v1/transfers", Kept.REFUSED, lambda world: transfer_body(world.other)),
    Route(
        "POST",
        "/v1/renewals",
        Kept.REFUSED,
        lambda world: renewal_body(world.other, world.domain),
    ),
    Route("GET", "/v1/accounts", Kept.FILTERED),
    Route(
        "POST",
        "/v1/accounts",
        Kept.REFUSED,
        lambda world: {"customer_id": world.other.customer_id, "currency": "USD", "name": "Purse"},
    ),
    Route("GET", "/v1/accounts/{account_id}", Kept.HIDDEN),
    *(Route("GET", f"/v1/accounts/{path}", Kept.HIDDEN) for path in OF_ACCOUNT),
    Route(
        "POST",
        "/v1/accounts/{account_id}/deposits",
        Kept.HOUSE,
        lambda _: {"amount_minor": 100, "currency": "USD", "reference": "gift"},
    ),
    Route("GET", "/v1/operations", Kept.FILTERED),
    *(Route("GET", f"/v1/operations/{path}", Kept.HIDDEN) for path in OF_OPERATION),
    *(
        Route("POST", f"/v1/operations/{{operation_id}}/{action}", Kept.HIDDEN, _with_reason)
        for action in ("cancel", "resume", "relaunch", "refund", "park", "release")
    ),
    Route(
        "POST",
        "/v1/operations/{operation_id}/correct",
        Kept.HIDDEN,
        lambda _: {"reason": "mischief", "patch": {"description": "mischief"}},
    ),
    Route("POST", "/v1/operations/statuses", Kept.HOUSE),
    Route("GET", "/v1/operations/{operation_id}/report", Kept.HOUSE),
    *(Route("GET", f"/v1/{path}", Kept.HOUSE) for path in ("lanes", "legacy", "domains/{name}")),
    *(Route("GET", f"/v1/ledger/{path}", Kept.HOUSE) for path in ("transfers", "trial-balance")),
    *(Route("GET", f"/v1/{path}", Kept.HOUSE) for path in ("lanes/interactive", "limits/changes")),
    Route("POST", "/v1/domains/import", Kept.HOUSE),
    Route("POST", "/v1/legacy/{part}/move", Kept.HOUSE, _with_reason),
    *(Route("GET", f"/v1/bulks{path}", Kept.HOUSE) for path in ("", *OF_BULK)),
    Route("POST", "/v1/bulks", Kept.HOUSE, _with_reason),
    *(
        Route("POST", f"/v1/bulks/{{bulk_id}}/{action}", Kept.HOUSE, _with_reason)
        for action in ("pause", "resume", "stop", "rate", "undo")
    ),
    *(Route("POST", f"/v1/bulks/lists{path}", Kept.HOUSE, _with_reason) for path in OF_LIST),
    *(Route("GET", f"/v1/flags{path}", Kept.HOUSE) for path in OF_FLAGS),
    Route(
        "PUT",
        "/v1/flags/{flag_key}",
        Kept.HOUSE,
        lambda _: {
            "variants": ["perdure"],
            "default_variant": "perdure",
            "version": 1,
            "reason": "mischief",
        },
    ),
    Route("GET", "/v1/limits", Kept.HOUSE),
    Route("GET", "/v1/limits/{provider}/changes", Kept.HOUSE),
    Route(
        "PUT",
        "/v1/limits/{provider}",
        Kept.HOUSE,
        lambda _: {"per_second": 1, "reason": "mischief"},
    ),
    Route("POST", "/v1/limits/{provider}/remove", Kept.HOUSE, _with_reason),
]


for kind in ("payment", "transfer", "renewal"):
    one = f"/v1/{kind}s/{{{kind}_id}}"
    ROUTES += [
        Route("GET", f"/v1/{kind}s", Kept.FILTERED),
        Route("GET", one, Kept.HIDDEN),
        Route("POST", f"{one}/cancel", Kept.HIDDEN, _with_reason),
        Route("POST", f"{one}/refund", Kept.HIDDEN, _with_reason),
    ]
ROUTES += [
    Route("POST", f"{route.path}/batch", Kept.REJECTED, _batch_of(route.body))
    for route in ROUTES
    if route.kept is Kept.REFUSED and route.path != "/v1/accounts"
]


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


@pytest.fixture
async def world(api: Api, pool: Pool) -> AsyncIterator[World]:
    """Two customers with operations, and the first one's key; at the end nothing has changed."""
    mine, other = await api.new_wallet(5000), await api.new_wallet(5000)
    _, secret = await create_key(pool, "shop", [ADMIN], mine.customer_id)
    customer = api.as_key(secret)
    created(await customer.pay(mine))
    created(await customer.post("/v1/transfers", transfer_body(mine)))
    own_domain, domain = await new_domain(pool, mine), await new_domain(pool, other)
    created(await customer.post("/v1/renewals", renewal_body(mine, own_domain)))
    payment = created(await api.pay(other))
    transfer = created(await api.post("/v1/transfers", transfer_body(other)))
    renewal = created(await api.post("/v1/renewals", renewal_body(other, domain)))
    ids = (payment["id"], transfer["id"], renewal["id"])
    world = World(pool, customer, mine, other, *ids, domain)
    before = await world.rows()
    assert len(before["operations"]) == 3
    yield world
    assert await world.rows() == before


def test_every_route_is_listed_here_r6(platform: Platform) -> None:
    found = {
        (method, str(route.path))
        for route in iter_route_contexts(create_app(platform).routes)
        for method in (route.methods or {"*"}) - {"HEAD"}
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
    ids = (world.payment_id, world.transfer_id, world.renewal_id, world.other.account_id)
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
