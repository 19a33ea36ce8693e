"""`/v1/callbacks`: what providers tell us by themselves; each is known by its signature."""

from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp
from perdure.api.openapi import refuses
from perdure.payments.callbacks import GatewayCallbacks

log = structlog.get_logger()

router = APIRouter(prefix="/v1/callbacks", tags=["callbacks"])


class ReceiptView(BaseModel):
    """What became of a callback."""

    object: Literal["callback_receipt"] = "callback_receipt"
    received: Literal[True] = Field(default=True, description="It is on record.")
    duplicate: bool = Field(description="It had come before; nothing more was done.")
    payment_id: str | None = Field(description="None: it names no payment of ours; it is kept.")


@router.post(
    "/gateway",
    responses={202: {"model": ReceiptView, "description": "It names no payment; it is kept."}},
    openapi_extra=refuses(
        "malformed_callback",
        "invalid_signature",
        "stale_callback",
        "internal_error",
        "database_unavailable",
    ),
)
async def receive_gateway_callback(
    request: Request, response: Response, platform: PlatformOfApp
) -> ReceiptView:
    """Take what the gateway tells, signed as Standard Webhooks say.

    How a charge ended is compared with the charge we made, and asked about where it differs;
    anything else that is told of one is on the payment's trail.
    """
    gateway = await request.app.state.gateway.get()
    event = await gateway.read_callback(request.headers, await request.body())
    receipt = await platform.kinds.own(GatewayCallbacks).receive(event)
    if receipt.payment_id is None:
        log.warning("callback_of_no_payment", event_id=receipt.event_id, type=event.type)
        response.status_code = 202
    return ReceiptView(duplicate=receipt.duplicate, payment_id=receipt.payment_id)
