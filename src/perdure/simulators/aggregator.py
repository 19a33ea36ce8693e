"""A bank aggregator that speaks as Plaid does: pages, cursors, and all that goes wrong there."""

import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.core.identity import Identity, books_in
from perdure.core.ids import new_id
from perdure.simulators.aggregator_books import (
    AggregatorBooks,
    Change,
    Item,
    MutatedError,
    UnknownCursorError,
    shown,
)
from perdure.simulators.aggregator_control import AggregatorControl
from perdure.simulators.aggregator_webhooks import Keys, Webhooks
from perdure.simulators.background import Background
from perdure.simulators.faults import Chance, FaultControl
from perdure.simulators.http_server import (
    cut_connection,
    serve_http,
    until_client_gives_up,
)
from perdure.simulators.journal import Journal

ITEM_PER_MINUTE: Final = 50
CLIENT_PER_MINUTE: Final = 2500
_MINUTE_S: Final = 60.0
_LINK_TOKEN_LASTS: Final = timedelta(hours=4)


class Fault(StrEnum):
    """What goes wrong by chance, before anything is looked at."""

    UNAVAILABLE = "unavailable"
    CUT = "cut"
    NEVER = "never"
    RATE_LIMITED = "rate_limited"
    BANK_DOWN = "bank_down"


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """How the aggregator is run.

    Args:
        data_dir: Where its books are kept.
        port: 0: any that is free.
        item_per_minute, client_per_minute: How many pages may be asked for; 0: no limit.
        webhook: Where items tell us at that were linked without a token.
        chance: What goes wrong by chance.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8112
    item_per_minute: int = ITEM_PER_MINUTE
    client_per_minute: int = CLIENT_PER_MINUTE
    webhook: str = ""
    chance: Chance[Fault] = field(default_factory=Chance)


@asynccontextmanager
async def open_aggregator(settings: AggregatorSettings) -> AsyncIterator[int]:
    """Run the aggregator while the context is open; yields its port.

    Raises:
        ConfigurationError: The port is taken, or the books are in use.
    """
    background = Background()
    async with Journal(settings.data_dir / "aggregator.jsonl") as journal:
        books, keys = AggregatorBooks(journal), Keys()
        webhooks = Webhooks(keys, background)
        control = AggregatorControl(books, keys, webhooks, webhook=settings.webhook)
        routes = [*Aggregator(settings, books, keys).routes(), *control.routes()]
        identity = Identity("aggregator", books_in(settings.data_dir))
        async with (
            serve_http(routes, host=settings.host, port=settings.port, identity=identity) as port,
            background,
        ):
            yield port


class _Body(BaseModel, extra="ignore"):
    pass


class _SyncBody(_Body):
    access_token: str
    cursor: Annotated[str, Field(max_length=256)] = ""
    count: Annotated[int, Field(ge=1, le=500)] = 100


class _LinkBody(_Body):
    client_name: Annotated[str, Field(min_length=1)]
    language: str
    country_codes: Annotated[list[str], Field(min_length=1)]
    user: dict[str, Any]
    products: list[str]
    webhook: str = ""


class _TokenBody(_Body):
    access_token: str


class _PublicBody(_Body):
    public_token: str


class _KeyBody(_Body):
    key_id: str


class Aggregator:
    """The aggregator's routes.

    Args:
        settings: How it is run.
        books: What it remembers.
        keys: What signs its webhooks.
    """

    def __init__(self, settings: AggregatorSettings, books: AggregatorBooks, keys: Keys) -> None:
        self._settings = settings
        self._books = books
        self._keys = keys
        self._faults = FaultControl(settings.chance, Fault)
        self._asked: dict[str, deque[float]] = defaultdict(deque)

    def routes(self) -> list[Route]:
        """Return what is served, each as Plaid's."""
        plaids = {
            "/link/token/create": self.create_link_token,
            "/item/public_token/exchange": self.exchange,
            "/item/get": self.get_item,
            "/item/remove": self.remove_item,
            "/transactions/sync": self.sync,
            "/webhook_verification_key/get": self.get_key,
        }
        return [
            *(Route(path, self._spoiled(body), methods=["POST"]) for path, body in plaids.items()),
            *self._faults.routes(),
        ]

    def _spoiled(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a route with what goes wrong by chance, and that its body may be wrong."""

        async def spoiled(request: Request) -> Response:
            match self._faults.draw_next(request.url.path):
                case Fault.UNAVAILABLE:
                    return _error("API_ERROR", "INTERNAL_SERVER_ERROR", status=500)
                case Fault.CUT:
                    cut_connection(request)
                case Fault.NEVER:
                    await until_client_gives_up(request)
                case Fault.RATE_LIMITED:
                    return _rate_limited()
                case Fault.BANK_DOWN:
                    return _error("INSTITUTION_ERROR", "INSTITUTION_DOWN")
                case None:
                    pass
            try:
                return await handle(request)
            except ValidationError as error:
                first = error.errors(include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                return _error("INVALID_REQUEST", "INVALID_FIELD", f"{where}: {first['msg']}")

        return spoiled

    async def create_link_token(self, request: Request) -> Response:
        """Return a token with which a customer can link."""
        asked = _LinkBody.model_validate_json(await request.body())
        token = self._books.link(str(asked.user.get("client_user_id", "")), asked.webhook)
        await self._books.sync()
        expires_at = datetime.now(UTC) + _LINK_TOKEN_LASTS
        return _answer(link_token=token, expiration=expires_at.isoformat())

    async def exchange(self, request: Request) -> Response:
        """Return an item's access token, for the public one that the dialogue gave."""
        token = _PublicBody.model_validate_json(await request.body()).public_token
        item = self._books.by_token(token)
        if item is None or token != item.public_token:
            return _error("INVALID_INPUT", "INVALID_PUBLIC_TOKEN")
        return _answer(access_token=item.access_token, item_id=item.item_id)

    async def get_item(self, request: Request) -> Response:
        """Tell of an item."""
        item = self._item_of(_TokenBody.model_validate_json(await request.body()).access_token)
        if item is None:
            return _no_such_item()
        error = _LOGIN_REQUIRED if item.manner.login_required else None
        return _answer(item=shown(item, error), status=None)

    async def remove_item(self, request: Request) -> Response:
        """Have an item be no more."""
        item = self._item_of(_TokenBody.model_validate_json(await request.body()).access_token)
        if item is None:
            return _no_such_item()
        self._books.remove(item)
        await self._books.sync()
        return _answer()

    async def sync(self, request: Request) -> Response:
        """Return a page of what happened since a cursor."""
        asked = _SyncBody.model_validate_json(await request.body())
        item = self._item_of(asked.access_token)
        if item is None:
            return _no_such_item()
        if (refusal := self._refused_a_page(item)) is not None:
            return refusal
        self._books.note_synced(item)
        if item.manner.not_ready > 0:
            item.manner.not_ready -= 1
            return _page(item, [], "", has_more=False, status="NOT_READY")
        try:
            changes, cursor, has_more = self._books.page(item, asked.cursor, asked.count)
        except MutatedError:
            return _error("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")
        except UnknownCursorError:
            return _error("INVALID_REQUEST", "INVALID_FIELD", "cursor: it is none of this item's")
        return _page(item, changes, cursor, has_more=has_more, status="HISTORICAL_UPDATE_COMPLETE")

    async def get_key(self, request: Request) -> Response:
        """Return a key that signs webhooks, or did."""
        key = self._keys.public(_KeyBody.model_validate_json(await request.body()).key_id)
        if key is None:
            return _error("INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID")
        return _answer(key=key)

    def _item_of(self, access_token: str) -> Item | None:
        item = self._books.by_token(access_token)
        return item if item is not None and item.access_token == access_token else None

    def _refused_a_page(self, item: Item) -> Response | None:
        if self._is_over(item.item_id, self._settings.item_per_minute) or self._is_over(
            "", self._settings.client_per_minute
        ):
            return _rate_limited()
        if item.manner.login_required:
            return JSONResponse(_LOGIN_REQUIRED, status_code=400)
        return None

    def _is_over(self, who: str, limit: int) -> bool:
        """Count a call, unless there were too many in the last minute."""
        now, asked = time.monotonic(), self._asked[who]
        while asked and asked[0] <= now - _MINUTE_S:
            asked.popleft()
        if limit and len(asked) >= limit:
            return True
        asked.append(now)
        return False


def _page(
    item: Item, changes: list[Change], cursor: str, *, has_more: bool, status: str
) -> Response:
    by_kind: dict[str, list[dict[str, Any]]] = {"added": [], "modified": [], "removed": []}
    for kind, transaction in changes:
        by_kind[kind].append(transaction)
    return _answer(
        accounts=item.accounts,
        next_cursor=cursor,
        has_more=has_more,
        transactions_update_status=status,
        **by_kind,
    )


def _answer(**said: Any) -> Response:
    return JSONResponse({**said, "request_id": new_id("request")})


def _error(kind: str, code: str, message: str = "", *, status: int = 400) -> Response:
    return JSONResponse(_said(kind, code, message), status_code=status)


def _said(kind: str, code: str, message: str) -> dict[str, Any]:
    return {
        "error_type": kind,
        "error_code": code,
        "error_message": message or code.lower().replace("_", " "),
        "display_message": None,
        "request_id": new_id("request"),
    }


_LOGIN_REQUIRED: Final = _said(
    "ITEM_ERROR",
    "ITEM_LOGIN_REQUIRED",
    "the login details of this item have changed and a user login is required",
)


def _rate_limited() -> Response:
    # Without a header that says for how long, as Plaid does it.
    return _error("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", status=429)


def _no_such_item() -> Response:
    return _error("INVALID_INPUT", "INVALID_ACCESS_TOKEN")
