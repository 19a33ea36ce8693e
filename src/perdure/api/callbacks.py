"""`/v1/callbacks`: what providers tell us by themselves; each is known by its signature."""

from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp
from perdure.api.schemas import ERROR_RESPONSES
from perdure.providers.gateway import verify_callback

log = structlog.get_logger()

router = APIRouter(prefix="/v1/callbacks", tags=["callbacks"], responses=ERROR_RESPONSES)


class ReceiptView(BaseModel):
    """What became of a callback."""

    object: Literal["callback_receipt"] = "callback_receipt"
    received: Literal[True] = True
    duplicate: bool = Field(description="It had come before; nothing more was done.")
    payment_id: str | None = Field(description="None: no such payment; the callback is kept.")


@router.post("/gateway", responses={202: {"model": ReceiptView, "description": "Kept."}})
async def receive_gateway_callback(
    request: Request, response: Response, platform: PlatformOfApp
) -> ReceiptView:
    """Take the gateway's confirmation of a charge, signed as Standard Webhooks say."""
    secrets = [secret.get_secret_value() for secret in platform.settings.gateway_callback_secrets]
    event = verify_callback(secrets, request.headers, await request.body())
    receipt = await platform.gateway_callbacks.receive(event)
    if receipt.payment_id is None:
        log.warning("callback_of_unknown_payment", event_id=receipt.event_id)
        response.status_code = 202
    return ReceiptView(duplicate=receipt.duplicate, payment_id=receipt.payment_id)
