"""The routes that only payments have: the workflow's own word, and the gateway's callbacks."""

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, caller_with, visible_operation
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.outside import CALLBACK_CODES, RoutesProvider
from perdure.api.schemas import Text
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import KIND, PaymentStatus
from perdure.payments.reporting import PaymentReporting
from perdure.providers.gateway import GATEWAY_ROLE

log = structlog.get_logger()

_gateway = RoutesProvider(GATEWAY_ROLE)
check_gateway = _gateway.check

router = APIRouter(prefix="/v1/payments", tags=["payments"])


callbacks = APIRouter(prefix="/v1/callbacks", tags=["callbacks"], lifespan=_gateway.lifespan)


class PaymentWorkflow(BaseModel):
    """What the engine says of a payment."""

    object: Literal["payment_workflow"] = "payment_workflow"
    payment_id: str
    public_status: PaymentStatus = Field(description="Where it stands, by its own word.")


class ReceiptView(BaseModel):
    """What became of a callback."""

    object: Literal["callback_receipt"] = "callback_receipt"
    received: Literal[True] = Field(default=True, description="It is on record.")
    duplicate: bool = Field(description="It had come before; nothing more was done.")
    payment_id: str | None = Field(description="None: it names no payment of ours; it is kept.")


@router.get(
    "/{payment_id}/workflow",
    openapi_extra=refuses("payment_not_found", "workflow_not_found", "workflow_not_answering"),
)
async def get_workflow(
    payment_id: Text,
    platform: PlatformOfApp,
    caller: Annotated[ApiKey, Depends(caller_with("payments:read"))],
) -> PaymentWorkflow:
    """Ask the payment's workflow itself where it stands; needs a worker to answer."""
    await visible_operation(platform, caller, payment_id, kind=KIND)
    status = await platform.kinds.own(PaymentReporting).status(payment_id)
    return PaymentWorkflow(payment_id=payment_id, public_status=status)


@callbacks.post(
    "/gateway",
    responses={202: {"model": ReceiptView, "description": "It names no payment; it is kept."}},
    openapi_extra=refuses(*CALLBACK_CODES),
)
async def receive_gateway_callback(
    request: Request, response: Response, platform: PlatformOfApp
) -> ReceiptView:
    """Take what the gateway tells, signed as Standard Webhooks say.

    How a charge ended is compared with the charge we made, and asked about where it differs;
    anything else that is told of one is on the payment's trail.
    """
    gateway = await _gateway.get(request.app)
    event = await gateway.read_callback(request.headers, await request.body())
    receipt = await platform.kinds.own(GatewayCallbacks).receive(event)
    if receipt.payment_id is None:
        log.warning("callback_of_no_payment", event_id=receipt.event_id, type=event.type)
        response.status_code = 202
    return ReceiptView(duplicate=receipt.duplicate, payment_id=receipt.payment_id)
