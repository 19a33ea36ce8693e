"""A provider of giftcards to try it against: `perdure up` and `perdure simulate` run it.

An item called `sold_out` is refused. Its books are a file, which outlives a kill.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure import new_id
from perdure.core.identity import Identity, books_in
from perdure.simulators.http_server import invalid, page, refuse, serve_http
from perdure.simulators.journal import Journal, books_folder
from perdure_giftcards.contracts import Order

SOLD_OUT: Final = "sold_out"


class _Asked(BaseModel, strict=True):
    reference: str
    amount_minor: int
    currency: str
    item: str


class _Revoked(BaseModel, strict=True):
    reference: str


def giftcards(
    *,
    port: int = 8190,
    data_dir: Annotated[Path | None, typer.Option(help="Where its books are kept.")] = None,
) -> AbstractAsyncContextManager[str]:
    """Run a provider of giftcards."""
    return open_simulator(books_folder(data_dir), port=port)


@asynccontextmanager
async def open_simulator(folder: Path, *, port: int = 0) -> AsyncIterator[str]:
    """Run the provider while the context is open; yields its URL."""
    async with Journal(folder / "giftcards.jsonl") as journal:
        routes = _Provider(journal).routes()
        identity = Identity("giftcards", books_in(folder))
        async with serve_http(routes, host="127.0.0.1", port=port, identity=identity) as bound:
            yield f"http://127.0.0.1:{bound}"


class _Provider:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._orders = {found["reference"]: Order(**found) for found in journal.records()}

    def routes(self) -> list[Route]:
        return [
            Route("/v1/orders", self.order, methods=["POST"]),
            Route("/v1/orders", self.list_all),
            Route("/v1/orders/revoke", self.revoke, methods=["POST"]),
        ]

    async def order(self, request: Request) -> Response:
        try:
            asked = _Asked.model_validate_json(await request.body())
        except ValidationError as error:
            return invalid(error)
        if asked.item == SOLD_OUT:
            return refuse(402, "sold_out", "There is none left.")
        new = Order(new_id("ord"), asked.reference, asked.amount_minor, asked.currency, "fulfilled")
        known = self._orders.get(asked.reference)
        if known is not None and known.status == "revoked":
            return refuse(402, "order_revoked", "This order was revoked.")
        if known is not None and replace(new, id=known.id) != known:
            return refuse(409, "reference_in_use", "It was used for something else.")
        return await self._kept(known or new)

    async def list_all(self, request: Request) -> Response:
        reference = request.query_params.get("reference")
        found = [order for order in self._orders.values() if reference in (None, order.reference)]
        return page(request, found, asdict)

    async def revoke(self, request: Request) -> Response:
        try:
            reference = _Revoked.model_validate_json(await request.body()).reference
        except ValidationError as error:
            return invalid(error)
        known = self._orders.get(reference) or Order(new_id("ord"), reference, 0, "", "revoked")
        return await self._kept(replace(known, status="revoked"))

    async def _kept(self, order: Order) -> Response:
        if self._orders.get(order.reference) != order:
            self._orders[order.reference] = order
            self._journal.write(asdict(order))
            await self._journal.sync()
        return JSONResponse(asdict(order))
