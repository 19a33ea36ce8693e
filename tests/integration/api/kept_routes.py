"""Every route there is, and how a customer's key is kept from what is another's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import httpx

from perdure.storage.pool import Pool

from .api_client import Api, Json, Wallet, payment_body
from .test_orders import order_body
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
    order_id: str = "ord_01h455vb4pex5vsknk084sn02q"
    onboarding_id: str = "onb_01h455vb4pex5vsknk084sn02q"
    item_id: str = "bki_01h455vb4pex5vsknk084sn02q"
    bank_sync_id: str = "bks_01h455vb4pex5vsknk084sn02q"

    def path(self, template: str) -> str:
        """The route's address of what the other has."""
        return template.format(
            customer_id=self.other.customer_id,
            account_id=self.other.account_id,
            operation_id=self.transfer_id,
            payment_id=self.payment_id,
            transfer_id=self.transfer_id,
            renewal_id=self.renewal_id,
            order_id=self.order_id,
            onboarding_id=self.onboarding_id,
            item_id=self.item_id,
            bank_sync_id=self.bank_sync_id,
            asset="NO SUCH",
            flag_key="renewals-engine",
            provider="gateway",
            part="registry-info",
            name=self.domain,
            bulk_id="blk_01h455vb4pex5vsknk084sn02q",
            list_id="bll_01h455vb4pex5vsknk084sn02q",
            reconciliation_id="rec_01h455vb4pex5vsknk084sn02q",
            break_id="brk_01h455vb4pex5vsknk084sn02q",
            statement_id="stm_01h455vb4pex5vsknk084sn02q",
            source="DE89370400440532013000",
        )

    async def rows(self) -> dict[str, list[str]]:
        """All that is the other's, or the house's, as the database has it."""
        whose = {
            "operations": "customer_id = $1",
            "operation_trail": (
                "operation_id IN (SELECT id FROM operations WHERE customer_id = $1)"
            ),
            "domains": "customer_id = $1",
            "orders": "customer_id = $1",
            "order_requests": "order_id IN (SELECT id FROM orders WHERE customer_id = $1)",
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
    OF_TWO = auto()
    """It is two customers', each of whom sees its own side: `test_trades.py`."""
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


def onboarding_body(customer_id: str) -> Json:
    return {
        "customer_id": customer_id,
        "full_name": "Ada Lovelace",
        "email": "ada@example.com",
        "birth_date": "1990-12-10",
        "country": "FR",
    }


def sync_body(wallet: Wallet, item_id: str) -> Json:
    return {"customer_id": wallet.customer_id, "item_id": item_id}


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
OF_ITEM = ("{item_id}", "{item_id}/transactions")
ALONE = {"/v1/accounts", "/v1/orders", "/v1/bank-items", "/v1/bank-items/link-token"}
"""What is made one at a time."""
OF_BOOK = ("books/{asset}", "books/{asset}/events")
ROUTES = [
    Route("GET", "/openapi.json", Kept.OPEN),
    Route("GET", "/docs", Kept.OPEN),
    Route("GET", "/docs/oauth2-redirect", Kept.OPEN),
    Route("*", "/static-offline-docs", Kept.OPEN),
    Route("GET", "/healthz", Kept.OPEN),
    Route("GET", "/readyz", Kept.OPEN),
    *(
        Route("POST", f"/v1/callbacks/{name}", Kept.SIGNED)
        for name in ("gateway", "identity", "aggregator")
    ),
    Route("POST", "/v1/payments", Kept.REFUSED, lambda world: payment_body(world.other)),
    Route("GET", "/v1/payments/{payment_id}/workflow", Kept.HIDDEN),
    Route("POST", "/v1/transfers", Kept.REFUSED, lambda world: transfer_body(world.other)),
    Route(
        "POST",
        "/v1/renewals",
        Kept.REFUSED,
        lambda world: renewal_body(world.other, world.domain),
    ),
    Route(
        "POST",
        "/v1/onboardings",
        Kept.REFUSED,
        lambda world: onboarding_body(world.other.customer_id),
    ),
    Route(
        "POST",
        "/v1/bank-syncs",
        Kept.REFUSED,
        lambda world: sync_body(world.other, world.item_id),
    ),
    Route("GET", "/v1/bank-syncs", Kept.FILTERED),
    Route("GET", "/v1/bank-syncs/{bank_sync_id}", Kept.HIDDEN),
    Route("POST", "/v1/bank-syncs/{bank_sync_id}/cancel", Kept.HIDDEN, _with_reason),
    Route("GET", "/v1/bank-items", Kept.FILTERED),
    Route(
        "POST",
        "/v1/bank-items",
        Kept.REFUSED,
        lambda world: {"customer_id": world.other.customer_id, "public_token": "public-1"},
    ),
    Route(
        "POST",
        "/v1/bank-items/link-token",
        Kept.REFUSED,
        lambda world: {"customer_id": world.other.customer_id},
    ),
    *(Route("GET", f"/v1/bank-items/{path}", Kept.HIDDEN) for path in OF_ITEM),
    Route("DELETE", "/v1/bank-items/{item_id}", Kept.HIDDEN),
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
    Route("GET", "/v1/customers/{customer_id}", Kept.REFUSED),
    Route("POST", "/v1/customers/{customer_id}/erasure", Kept.HOUSE, _with_reason),
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
    Route("GET", "/v1/legacy/shadow", Kept.HOUSE),
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
    *(
        Route("GET", f"/v1/{path}", Kept.HOUSE)
        for path in (
            "reconciliations",
            *(
                f"reconciliations/{{reconciliation_id}}{part}"
                for part in ("", "/report.html", "/report.csv")
            ),
            *("reconciliation-breaks", "reconciliation-breaks/{break_id}"),
            *("statements", "statements/{statement_id}", "statements/{statement_id}/lines"),
            "statement-accounts",
        )
    ),
    Route("POST", "/v1/reconciliations", Kept.HOUSE, lambda _: {"day": "2026-11-27"}),
    Route(
        "POST",
        "/v1/reconciliation-breaks/{break_id}/resolve",
        Kept.HOUSE,
        lambda _: {"how": "write_off", "reason": "mischief"},
    ),
    Route("POST", "/v1/statements", Kept.HOUSE, lambda _: {"file_name": "own", "content": "AAAA"}),
    Route("POST", "/v1/statements/parts", Kept.HOUSE, lambda _: {"number": 1, "content": "AAAA"}),
    Route(
        "PUT",
        "/v1/statement-accounts/{source}",
        Kept.HOUSE,
        lambda world: {
            "account_id": world.mine.account_id,
            "currency": "USD",
            "since": "2026-11-27",
        },
    ),
    Route("GET", "/v1/schedules", Kept.HOUSE),
    Route("POST", "/v1/schedules/apply", Kept.HOUSE, lambda _: {"dry_run": True}),
    *(
        Route("POST", f"/v1/schedules/{{name}}/{action}", Kept.HOUSE, _with_reason)
        for action in ("pause", "resume", "trigger")
    ),
    Route("GET", "/v1/trades", Kept.OF_TWO),
    *(Route("GET", f"/v1/trades/{{trade_id}}{path}", Kept.OF_TWO) for path in ("", "/events")),
    Route("GET", "/v1/orders", Kept.FILTERED),
    Route("POST", "/v1/orders", Kept.REFUSED, lambda world: order_body(world.other)),
    *(Route("GET", f"/v1/orders/{{order_id}}{path}", Kept.HIDDEN) for path in ("", "/events")),
    Route("POST", "/v1/orders/{order_id}/cancel", Kept.HIDDEN, _with_reason),
    Route(
        "POST",
        "/v1/orders/{order_id}/replace",
        Kept.HIDDEN,
        lambda _: {"price_minor": 1, "quantity_lots": 1},
    ),
    *(
        Route("GET", f"/v1/{path}", Kept.OPEN)
        for path in (*OF_BOOK, "instruments", "instruments/{asset}")
    ),
    Route(
        "PUT",
        "/v1/instruments/{asset}",
        Kept.HOUSE,
        lambda _: {"currency": "USD", "fee_basis_points": 0, "reason": "mischief"},
    ),
    *(
        Route("POST", f"/v1/instruments/{{asset}}/{action}", Kept.HOUSE, _with_reason)
        for action in ("halt", "resume")
    ),
]


for kind in ("payment", "transfer", "renewal", "onboarding"):
    one = f"/v1/{kind}s/{{{kind}_id}}"
    ROUTES += [
        Route("GET", f"/v1/{kind}s", Kept.FILTERED),
        Route("GET", one, Kept.HIDDEN),
        Route("POST", f"{one}/cancel", Kept.HIDDEN, _with_reason),
    ]
    if kind != "onboarding":
        ROUTES += [Route("POST", f"{one}/refund", Kept.HIDDEN, _with_reason)]
ROUTES += [
    Route("POST", f"{route.path}/batch", Kept.REJECTED, _batch_of(route.body))
    for route in ROUTES
    if route.kept is Kept.REFUSED and route.method == "POST" and route.path not in ALONE
]
