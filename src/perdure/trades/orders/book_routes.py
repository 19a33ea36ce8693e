"""`/v1/books` and `/v1/instruments`: what is offered of each asset, and what it is traded by."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from perdure.api.authentication import house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import ReasonBody, Text, WholeList
from perdure.api.streams import Events, LastEvent, event, send_events, sends_events
from perdure.operations.lanes.calls import Hear
from perdure.trades.book.commands import ChangeInstrument
from perdure.trades.orders.answers import LOOK_S
from perdure.trades.orders.model import ANSWERED
from perdure.trades.orders.routes import (
    Heard,
    OrdersOfApp,
    Reader,
)
from perdure.trades.orders.schemas import BookQuery, BookView, InstrumentBody, InstrumentView
from perdure.trades.orders.service import Orders

books = APIRouter(prefix="/v1/books", tags=["orders"])
instruments = APIRouter(prefix="/v1/instruments", tags=["instruments"])

Asset = Annotated[Text, Path(description="What is traded.")]
HouseWriter = Annotated[ApiKey, Depends(house_caller_with("instruments:write"))]


@books.get("/{asset}", openapi_extra=refuses("asset_not_found"))
async def get_book(
    asset: Asset, orders: OrdersOfApp, _caller: Reader, query: Annotated[BookQuery, Query()]
) -> BookView:
    """Return what is bought and sold of an asset at each price."""
    return await _book(orders, asset, query.levels)


async def _book(orders: Orders, asset: str, levels: int) -> BookView:
    listed = await orders.instrument(asset)
    bids, asks = [await orders.levels(asset, side, levels) for side in ("buy", "sell")]
    return BookView.of(listed, bids, asks)


@books.get(
    "/{asset}/events",
    **sends_events("The book, whenever it has changed.", "asset_not_found"),
)
async def stream_book(
    *,
    request: Request,
    asset: Asset,
    orders: OrdersOfApp,
    hear: Heard,
    caller: Reader,
    query: Annotated[BookQuery, Query()],
    after: LastEvent,
) -> Response:
    """Send a book whenever it has changed (server-sent events): as it stands, not each change."""
    await orders.instrument(asset)
    events = _book_events(orders, asset, query.levels, after, hear)
    return send_events(request, caller, events)


async def _book_events(orders: Orders, asset: str, levels: int, after: int, hear: Hear) -> Events:
    with hear(ANSWERED, asset) as called:
        while True:
            called.clear()
            if (await orders.instrument(asset)).sequence > after:
                book = await _book(orders, asset, levels)
                after = book.sequence
                yield event(book.model_dump_json(), "book", after)
            with suppress(TimeoutError):
                await asyncio.wait_for(called.wait(), LOOK_S)


@instruments.get("")
async def list_instruments(orders: OrdersOfApp, _caller: Reader) -> WholeList[InstrumentView]:
    """List all assets that are traded."""
    found = await orders.instruments()
    return WholeList(data=[InstrumentView.of(one) for one in found], url="/v1/instruments")


@instruments.get("/{asset}", openapi_extra=refuses("asset_not_found"))
async def get_instrument(asset: Asset, orders: OrdersOfApp, _caller: Reader) -> InstrumentView:
    """Return what an asset is traded by."""
    return InstrumentView.of(await orders.instrument(asset))


@dataclass(frozen=True, slots=True)
class ActingOnInstrument:
    """A request of the house about one asset."""

    asset: str
    orders: Orders
    hear: Hear
    actor: str

    async def answer(self, request_id: str) -> InstrumentView:
        """Answer with what it is traded by, once its book knows."""
        await self.orders.answered(request_id, self.asset, self.hear)
        return InstrumentView.of(await self.orders.instrument(self.asset))

    async def set_halted(self, reason: str, *, is_halted: bool) -> InstrumentView:
        """Halt trading, or have it go on."""
        return await self.answer(
            await self.orders.set_halted(
                self.asset, is_halted=is_halted, actor=self.actor, reason=reason
            )
        )


async def _acting(
    asset: Asset, orders: OrdersOfApp, hear: Heard, caller: HouseWriter
) -> ActingOnInstrument:
    return ActingOnInstrument(asset, orders, hear, caller.actor)


OneInstrument = Annotated[ActingOnInstrument, Depends(_acting)]


@instruments.put(
    "/{asset}",
    openapi_extra=refuses(
        "house_only",
        "invalid_instrument",
        "invalid_fee",
        "unknown_currency",
        "currency_fixed",
        "reason_required",
    ),
)
async def put_instrument(acting: OneInstrument, body: InstrumentBody) -> InstrumentView:
    """Have an asset be traded, or by other rules: they hold for what comes in from here on."""
    return await acting.answer(
        await acting.orders.list_asset(
            acting.asset,
            ChangeInstrument(
                body.tick_minor, body.price_low_minor, body.price_high_minor, body.quantity_max_lots
            ),
            currency=body.currency,
            fee_basis_points=body.fee_basis_points,
            actor=acting.actor,
            reason=body.reason,
        )
    )


@instruments.post(
    "/{asset}/halt", openapi_extra=refuses("house_only", "asset_not_found", "reason_required")
)
async def halt_instrument(acting: OneInstrument, body: ReasonBody) -> InstrumentView:
    """Halt trading in an asset: orders can still be cancelled, and expire."""
    return await acting.set_halted(body.reason, is_halted=True)


@instruments.post(
    "/{asset}/resume", openapi_extra=refuses("house_only", "asset_not_found", "reason_required")
)
async def resume_instrument(acting: OneInstrument, body: ReasonBody) -> InstrumentView:
    """Have trading in an asset go on."""
    return await acting.set_halted(body.reason, is_halted=False)
