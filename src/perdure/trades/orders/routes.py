"""`/v1/orders`, `/v1/books`, `/v1/instruments`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from starlette.responses import Response

from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    own_customer,
)
from perdure.api.idempotency import Answer, IdempotencyKey, KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Page, ReasonBody, Text, page_of
from perdure.api.streams import (
    Events,
    LastEvent,
    event,
    nothing_more,
    send_events,
    sends_events,
)
from perdure.core.errors import InvalidInput, NotFound
from perdure.operations.lanes.calls import Hear, LaneListener
from perdure.trades.orders.model import ENDED, Order
from perdure.trades.orders.new_orders import NewOrder, Once
from perdure.trades.orders.schemas import (
    OrderBody,
    OrdersQuery,
    OrderView,
    ReplaceBody,
)
from perdure.trades.orders.service import Orders


@asynccontextmanager
async def _listening(app: FastAPI) -> AsyncIterator[None]:
    async with _listener_of(app):
        yield


orders = APIRouter(prefix="/v1/orders", tags=["orders"], lifespan=_listening)

Reader = Annotated[ApiKey, Depends(caller_with("orders:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("orders:write"))]

_FIGURES: Final = (
    "invalid_price",
    "invalid_quantity",
    "quantity_too_large",
    "price_off_tick",
    "price_outside_band",
    "trading_halted",
    "would_take",
    "insufficient_funds",
    "account_not_open",
)


def _listener_of(app: FastAPI) -> LaneListener:
    """Return what hears of answers; it connects when somebody first waits for one."""
    if not hasattr(app.state, "order_listener"):
        settings = app.state.platform.settings
        app.state.order_listener = LaneListener(
            settings.require_database_url(), application_name="perdure-order-listener"
        )
    found: LaneListener = app.state.order_listener
    return found


def _hear(request: Request) -> Hear:
    return _listener_of(request.app).hear


Heard = Annotated[Hear, Depends(_hear)]


def _orders(platform: PlatformOfApp) -> Orders:
    return platform.kinds.own(Orders)


OrdersOfApp = Annotated[Orders, Depends(_orders)]


def _once(caller: ApiKey, key: IdempotencyKey | None) -> Once | None:
    return Once(f"{caller.owner}\n{key.value}", key.fingerprint) if key else None


@orders.post(
    "",
    status_code=201,
    response_model=OrderView,
    responses={202: {"model": OrderView, "description": "It is stored, and goes on by itself."}},
    openapi_extra=refuses(
        "other_customer",
        "missing_idempotency_key",
        "asset_not_found",
        "account_not_found",
        "currency_mismatch",
        "balance_overflow",
        *_FIGURES,
        "invalid_order",
        "already_expired",
        "order_rejected",
        "idempotency_mismatch",
    ),
)
async def place_order(
    body: OrderBody, orders: OrdersOfApp, hear: Heard, caller: Writer, key: KeyOfRequest
) -> Response:
    """Place an order: the answer says how it stands once it is in its book.

    What a buy may cost is held on the account, what a sell sells is set aside at the asset service.
    """
    check_customer(caller, body.customer_id)
    if key is None and body.reference is None:
        raise InvalidInput(
            "Give an Idempotency-Key or a reference: sent again, it would be two orders.",
            code="missing_idempotency_key",
            param="Idempotency-Key",
        )
    contact = body.contact.party() if body.contact else None
    taken = await orders.place(
        NewOrder(
            customer_id=body.customer_id,
            account_id=body.account_id,
            asset=body.asset,
            side=body.side,
            price_minor=body.price_minor,
            quantity_lots=body.quantity_lots,
            time_in_force=body.time_in_force,
            post_only=body.post_only,
            self_trade=body.self_trade,
            expires_at_ms=body.expires_at_ms,
            reference=body.reference,
            contact=asdict(contact) if contact else None,
            once=_once(caller, key),
        )
    )
    return _shown(await orders.settled(taken.order, hear), is_repeat=taken.is_repeat)


def _shown(order: Order, *, is_repeat: bool = False) -> Response:
    waits = order.status in ("reserving", "entering")
    return Answer.of(202 if waits else 201, OrderView.of(order), replayed=is_repeat).response()


@orders.get("", openapi_extra=refuses("other_customer"))
async def list_orders(
    orders: OrdersOfApp, caller: Reader, query: Annotated[OrdersQuery, Query()]
) -> Page[OrderView]:
    """List orders, newest first."""
    found = await orders.find(
        customer_id=own_customer(caller, query.customer_id),
        reference=query.reference,
        asset=query.asset,
        is_open=query.open,
        starting_after=query.starting_after,
        limit=query.limit + 1,
    )
    return page_of(found, query.limit, OrderView.of, "/v1/orders")


async def _visible(orders: Orders, caller: ApiKey, order_id: str) -> Order:
    order = await orders.get(order_id)
    if not caller.sees(order.customer_id):
        raise NotFound(f"There is no order {order_id}.", code="order_not_found", param="id")
    return order


@orders.get("/{order_id}", openapi_extra=refuses("order_not_found"))
async def get_order(order_id: Text, orders: OrdersOfApp, caller: Reader) -> OrderView:
    """Return an order, as the database has it."""
    return OrderView.of(await _visible(orders, caller, order_id))


@dataclass(frozen=True, slots=True)
class ActingOnOrder:
    """A request about one order that its caller may see."""

    order: Order
    orders: Orders
    hear: Hear
    actor: str
    once: Once | None

    async def answer(self, request_id: str) -> Response:
        """Answer with the order, once what was asked of it is done."""
        is_answered = await self.orders.answered(request_id, self.order.asset, self.hear)
        found = OrderView.of(await self.orders.get(self.order.id))
        return Answer.of(200 if is_answered else 202, found).response()


async def _acting(
    order_id: Text, orders: OrdersOfApp, hear: Heard, caller: Writer, key: KeyOfRequest
) -> ActingOnOrder:
    order = await _visible(orders, caller, order_id)
    return ActingOnOrder(order, orders, hear, caller.actor, _once(caller, key))


OneOrder = Annotated[ActingOnOrder, Depends(_acting)]
_ASKED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": OrderView, "description": "It is stored, and will be answered."}
}


@orders.post(
    "/{order_id}/cancel",
    response_model=OrderView,
    responses=_ASKED,
    openapi_extra=refuses("order_not_found", "order_ended", "reason_required"),
)
async def cancel_order(acting: OneOrder, body: ReasonBody) -> Response:
    """Have what is left of an order not be filled; too late where it was a moment before."""
    return await acting.answer(
        await acting.orders.cancel(
            acting.order, actor=acting.actor, reason=body.reason, once=acting.once
        )
    )


@orders.post(
    "/{order_id}/replace",
    response_model=OrderView,
    responses=_ASKED,
    openapi_extra=refuses("order_not_found", "order_ended", "reservation_too_small", *_FIGURES),
)
async def replace_order(acting: OneOrder, body: ReplaceBody) -> Response:
    """Give an order another price and quantity in one step; a mere reduction keeps its place."""
    return await acting.answer(
        await acting.orders.replace(
            acting.order,
            price_minor=body.price_minor,
            quantity_lots=body.quantity_lots,
            actor=acting.actor,
            once=acting.once,
        )
    )


@orders.get(
    "/{order_id}/events",
    **sends_events(
        "The order, whenever it has changed.",
        "order_not_found",
        ends="It has ended, and has not changed since Last-Event-ID.",
    ),
)
async def stream_order(
    *,
    request: Request,
    order_id: Text,
    orders: OrdersOfApp,
    hear: Heard,
    caller: Reader,
    after: LastEvent,
) -> Response:
    """Send an order whenever it has changed (server-sent events), until it has ended."""
    order = await _visible(orders, caller, order_id)
    if order.status in ENDED and order.version <= after:
        return nothing_more()
    return send_events(request, caller, _order_events(orders, order, after, hear))


async def _order_events(orders: Orders, order: Order, after: int, hear: Hear) -> Events:
    async for one in orders.changes(order, after, hear):
        yield event(OrderView.of(one).model_dump_json(), "order", one.version)
