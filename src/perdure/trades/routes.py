"""`/v1/trades`: each of a trade's two customers sees it, and nothing of the other."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    log_as_about,
    own_customer,
)
from perdure.api.event_stream import entries_of
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import GEAR
from perdure.api.schemas import (
    CancelRequestView,
    CustomerId,
    FailureView,
    Page,
    PageQuery,
    Text,
    page_of,
)
from perdure.api.streams import (
    Events,
    LastEvent,
    event,
    nothing_more,
    send_events,
    sends_events,
)
from perdure.core.errors import NotFound
from perdure.core.gears import Gear
from perdure.operations.customer_view import operation_seen_by
from perdure.operations.lanes.store import gear_of
from perdure.operations.model import Failure, Operation, Side, Status, TrailEntry
from perdure.operations.steps import from_json
from perdure.storage.row_security import seen
from perdure.trades import listing
from perdure.trades.contracts import KIND, TradeRequest

router = APIRouter(prefix="/v1/trades", tags=["trades"])

Reader = Annotated[ApiKey, Depends(caller_with("trades:read"))]


class TradesQuery(PageQuery):
    """Which trades."""

    status: Status | None = Field(default=None, description="Only those in this status.")
    customer_id: CustomerId | None = Field(
        default=None, description="Only those in which this one buys or sells."
    )
    account_id: Text | None = Field(
        default=None, description="Only those that are paid from this account, or to it."
    )
    asset: Text | None = Field(default=None, description="Only of this asset.")


class TradeSideView(BaseModel):
    """One of the two who trade."""

    order_id: str = Field(description="The order that was filled.")
    customer_id: str
    account_id: str
    fee_minor: int = Field(description="What it pays the house.")
    amount_minor: int = Field(
        description="What the buyer pays, with its fee; what the seller is paid, less its fee."
    )


class TradeView(BaseModel):
    """A trade."""

    object: Literal["trade"] = "trade"
    id: str
    status: Status
    asset: str = Field(description="What is bought and sold.")
    quantity_lots: int = Field(description="How many lots of it.")
    price_minor: int = Field(description="Of one lot.")
    value_minor: int = Field(description="The price of all of it, without fees.")
    currency: str
    trade_number: int = Field(description="Rises by one within an asset.")
    buyer: TradeSideView | None = Field(description="Who buys; null: another than this key's.")
    seller: TradeSideView | None = Field(description="Who sells; null: another than this key's.")
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    gear: Gear = Field(description=GEAR)
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, caller: ApiKey) -> "TradeView":
        """Show one, as this key may see it."""
        request = _request_of(operation)
        operation = _seen_by(caller, operation)
        return cls(
            id=operation.id,
            status=operation.status,
            asset=request.asset,
            quantity_lots=request.quantity_lots,
            price_minor=request.price_minor,
            value_minor=request.value_minor,
            currency=request.currency,
            trade_number=request.trade_number,
            buyer=_side(
                caller,
                TradeSideView(
                    order_id=request.buy_order_id,
                    customer_id=request.buyer_customer_id,
                    account_id=request.buyer_account_id,
                    fee_minor=request.buyer_fee_minor,
                    amount_minor=request.paid_minor,
                ),
            ),
            seller=_side(
                caller,
                TradeSideView(
                    order_id=request.sell_order_id,
                    customer_id=request.seller_customer_id,
                    account_id=request.seller_account_id,
                    fee_minor=request.seller_fee_minor,
                    amount_minor=request.earned_minor,
                ),
            ),
            failure=FailureView.of(operation.failure),
            cancel_request=CancelRequestView.of(operation.cancel_request),
            gear=gear_of(operation.lane),
            created_at=operation.created_at,
            updated_at=operation.updated_at,
            finished_at=operation.finished_at,
        )


@router.get("", openapi_extra=refuses("other_customer"))
async def list_trades(
    platform: PlatformOfApp, caller: Reader, query: Annotated[TradesQuery, Query()]
) -> Page[TradeView]:
    """List trades, newest first."""
    async with seen(platform.pool) as connection:
        found = await listing.find(
            connection,
            customer_id=own_customer(caller, query.customer_id),
            account_id=query.account_id,
            asset=query.asset,
            status=query.status,
            starting_after=query.starting_after,
            limit=query.limit + 1,
        )
    return page_of(found, query.limit, lambda one: TradeView.of(one, caller), router.prefix)


@router.get("/{trade_id}", openapi_extra=refuses("trade_not_found"))
async def get_trade(trade_id: Text, platform: PlatformOfApp, caller: Reader) -> TradeView:
    """Return a trade, as the database has it."""
    return TradeView.of(await _visible(platform, caller, trade_id), caller)


@router.get(
    "/{trade_id}/events",
    **sends_events(
        "The trade, whenever it has changed.",
        "trade_not_found",
        ends="It has ended, and has not changed since Last-Event-ID.",
    ),
)
async def stream_trade(
    request: Request,
    trade_id: Text,
    platform: PlatformOfApp,
    caller: Reader,
    after: LastEvent,
) -> Response:
    """Send a trade whenever it has changed (server-sent events), until it has ended."""
    operation = await _visible(platform, caller, trade_id)
    entries = await entries_of(request, platform, operation, after)
    if entries is None:
        return nothing_more()
    return send_events(request, caller, _events(platform, caller, trade_id, entries))


async def _events(
    platform: PlatformOfApp, caller: ApiKey, trade_id: str, entries: AsyncIterator[TrailEntry]
) -> Events:
    async for entry in entries:
        found = await platform.operations.get(trade_id)
        yield event(TradeView.of(found, caller).model_dump_json(), "trade", entry.id)


async def _visible(platform: PlatformOfApp, caller: ApiKey, trade_id: str) -> Operation:
    missing = NotFound(f"There is no trade {trade_id}.", code="trade_not_found", param="id")
    try:
        operation = await platform.operations.get(trade_id)
    except NotFound:
        raise missing from None
    if operation.kind != KIND or not _is_in(caller, _request_of(operation)):
        raise missing
    log_as_about(operation)
    return operation


def _request_of(operation: Operation) -> TradeRequest:
    return from_json(TradeRequest, operation.input["request"])


def _is_in(caller: ApiKey, request: TradeRequest) -> bool:
    return any(map(caller.sees, (request.buyer_customer_id, request.seller_customer_id)))


def _side(caller: ApiKey, side: TradeSideView) -> TradeSideView | None:
    return side if caller.sees(side.customer_id) else None


def _seen_by(caller: ApiKey, operation: Operation) -> Operation:
    """Return it without what its failure says of whom: that may be the other side's."""
    seen = operation_seen_by(caller.side, operation)
    if caller.side == Side.HOUSE or seen.failure is None:
        return seen
    told = "It could not be carried out as it was agreed."
    return replace(seen, failure=Failure(seen.failure.code, told, seen.failure.step))
