"""The control of a simulated aggregator: who links, what happens then, and how it misbehaves."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.simulators.aggregator_books import (
    AggregatorBooks,
    Change,
    Item,
    Manner,
    account_books,
    shown,
)
from perdure.simulators.aggregator_sample import transaction as transaction_of
from perdure.simulators.aggregator_webhooks import OLD_CODES, Keys, Webhooks
from perdure.simulators.http_server import invalid, page, refuse


class _ItemBody(BaseModel, extra="forbid"):
    """What is linked; the customer and the webhook are a link token's, where one is given."""

    link_token: str = ""
    customer_id: str = "cus_1"
    institution: str = "First Platypus Bank"
    webhook: str | None = None
    accounts: Annotated[int, Field(ge=1, le=20)] = 1
    transactions: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    pending: Annotated[int, Field(ge=0)] = 0
    currency: str = "USD"
    seed: int = 0
    days: Annotated[int, Field(ge=1)] = 365
    until: date = Field(default_factory=lambda: datetime.now(UTC).date())


class _ChangeBody(BaseModel, extra="forbid"):
    """Something that happens: `post` books a pending transaction, under another id."""

    kind: Literal["added", "modified", "removed", "post"]
    transaction_id: str
    account_id: str = ""
    amount: float | str = 0
    date: str = ""
    linked: bool = True
    fields: dict[str, Any] = {}


class _ChangesBody(BaseModel, extra="forbid"):
    changes: list[_ChangeBody]
    webhook: bool = True


class _WebhookBody(BaseModel, extra="forbid"):
    webhook_type: str
    webhook_code: str
    fields: dict[str, Any] = {}


_MANNER: Final = TypeAdapter(Manner)


class AggregatorControl:
    """The routes by which it is controlled.

    Args:
        books: What it remembers.
        keys: What signs its webhooks.
        webhook: Where items tell us at that were linked without a token.
    """

    def __init__(
        self, books: AggregatorBooks, keys: Keys, webhooks: Webhooks, *, webhook: str
    ) -> None:
        self._books = books
        self._keys = keys
        self._webhooks = webhooks
        self._webhook = webhook

    def routes(self) -> list[Route]:
        """Return what is served."""
        of_item = "/control/items/{item_id}"
        return [
            Route("/control/items", self.make_item, methods=["POST"]),
            Route(of_item, self.change_manner, methods=["PUT"]),
            Route(f"{of_item}/changes", self.make_changes, methods=["POST"]),
            Route(f"{of_item}/webhook", self.send_webhook, methods=["POST"]),
            Route(f"{of_item}/transactions", self.list_transactions),
            Route("/control/accounts", self.list_accounts),
            Route("/control/rotate_key", self.rotate_key, methods=["POST"]),
        ]

    async def make_item(self, request: Request) -> Response:
        """Have a customer link, in one go with what the account has."""
        try:
            asked = _ItemBody.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return invalid(error)
        linked = self._books.linked_by(asked.link_token)
        if asked.link_token and linked is None:
            return refuse(400, "invalid_link_token", "There is no such link token.")
        made = asked.model_dump(mode="json", exclude={"link_token"})
        made["webhook"] = self._webhook if asked.webhook is None else asked.webhook
        item = self._books.make_item({**made, **(linked or {})})
        await self._books.sync()
        tokens = {"public_token": item.public_token, "access_token": item.access_token}
        return JSONResponse(shown(item, None) | tokens | {"accounts": item.accounts}, 201)

    async def change_manner(self, request: Request) -> Response:
        """Have an item misbehave, as `Manner` says; what is not said is as it was."""
        item = self._books.item(request.path_params["item_id"])
        if item is None:
            return _nothing_there()
        try:
            asked = _MANNER.validate_json(await request.body())
            given = TypeAdapter(dict[str, Any]).validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        item.manner = replace(item.manner, **{name: getattr(asked, name) for name in given})
        return JSONResponse(asdict(item.manner))

    async def make_changes(self, request: Request) -> Response:
        """Have something happen on an item's accounts, and its webhooks tell of it."""
        item = self._books.item(request.path_params["item_id"])
        if item is None:
            return _nothing_there()
        try:
            asked = _ChangesBody.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        made = [change for one in asked.changes for change in _changes(item, one)]
        self._books.change(item, made)
        await self._books.sync()
        if asked.webhook:
            self._tell(item)
        return JSONResponse({"changes": len(made)}, 201)

    def _tell(self, item: Item) -> None:
        told = {"webhook_type": "TRANSACTIONS", "item_id": item.item_id, "environment": "sandbox"}
        old = {"new_transactions": 1, "removed_transactions": [], "error": None}
        self._webhooks.send(item.webhook, told | old | {"webhook_code": OLD_CODES[2]})
        if item.is_synced:
            new = {"initial_update_complete": True, "historical_update_complete": True}
            code = {"webhook_code": "SYNC_UPDATES_AVAILABLE"}
            self._webhooks.send(item.webhook, told | new | code)

    async def send_webhook(self, request: Request) -> Response:
        """Send a webhook that says what is asked for."""
        item = self._books.item(request.path_params["item_id"])
        if item is None:
            return _nothing_there()
        try:
            asked = _WebhookBody.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        told = {"webhook_type": asked.webhook_type, "webhook_code": asked.webhook_code}
        self._webhooks.send(item.webhook, told | {"item_id": item.item_id} | asked.fields)
        return JSONResponse({}, 202)

    async def list_transactions(self, request: Request) -> Response:
        """List an item's transactions, as they are now."""
        item = self._books.item(request.path_params["item_id"])
        return _nothing_there() if item is None else JSONResponse([*item.standing.values()])

    async def list_accounts(self, request: Request) -> Response:
        """Tell what each account comes to."""
        found = [_Listed(one) for item in self._books.items() for one in account_books(item)]
        return page(request, found, lambda one: one.shown)

    async def rotate_key(self, _: Request) -> Response:
        """Have another key sign from now on."""
        self._keys.rotate()
        return JSONResponse({}, 201)


@dataclass(frozen=True, slots=True)
class _Listed:
    shown: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.shown["id"])


def _changes(item: Item, asked: _ChangeBody) -> list[Change]:
    known = item.standing.get(asked.transaction_id, {})
    if asked.kind == "removed":
        ids = {"transaction_id": asked.transaction_id, "account_id": known.get("account_id", "")}
        return [("removed", ids)]
    if asked.kind == "post":
        posted_id = f"{asked.transaction_id}-posted"
        link = asked.transaction_id if asked.linked else None
        posted = known | {"transaction_id": posted_id, "pending": False} | asked.fields
        return [
            *_changes(item, asked.model_copy(update={"kind": "removed"})),
            ("added", posted | {"pending_transaction_id": link}),
        ]
    usual = transaction_of(
        asked.transaction_id,
        asked.account_id or known.get("account_id") or item.accounts[0]["account_id"],
        asked.amount,
        asked.date or datetime.now(UTC).date().isoformat(),
    )
    told = {"amount": asked.amount} if "amount" in asked.model_fields_set else {}
    return [(asked.kind, usual | known | told | asked.fields)]


def _nothing_there() -> Response:
    return refuse(404, "item_not_found", "There is no such item.")
