"""Where the verifier calls back."""

from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp
from perdure.api.openapi import refuses
from perdure.api.outside import CALLBACK_CODES, RoutesProvider
from perdure.identity.callbacks import IdentityCallbacks
from perdure.providers.identity import IDENTITY_ROLE

log = structlog.get_logger()

_verifier = RoutesProvider(IDENTITY_ROLE)
check_verifier = _verifier.check


callbacks = APIRouter(prefix="/v1/callbacks", tags=["callbacks"], lifespan=_verifier.lifespan)


class IdentityReceiptView(BaseModel):
    """What became of a callback."""

    object: Literal["callback_receipt"] = "callback_receipt"
    received: Literal[True] = Field(default=True, description="It is on record.")
    duplicate: bool = Field(description="It had come before; nothing more was done.")
    operation_id: str | None = Field(description="None: it names no check of ours; it is kept.")


@callbacks.post(
    "/identity",
    responses={
        202: {"model": IdentityReceiptView, "description": "It names no check; it is kept."}
    },
    openapi_extra=refuses(*CALLBACK_CODES),
)
async def receive_identity_callback(
    request: Request, response: Response, platform: PlatformOfApp
) -> IdentityReceiptView:
    """Take what the identity verifier tells, signed as Standard Webhooks say.

    It is not believed: the verifier is asked.
    """
    verifier = await _verifier.get(request.app)
    event = await verifier.read_callback(request.headers, await request.body())
    receipt = await platform.kinds.own(IdentityCallbacks).receive(event)
    if receipt.operation_id is None:
        log.warning("callback_of_no_check", event_id=receipt.event_id, type=event.type)
        response.status_code = 202
    return IdentityReceiptView(duplicate=receipt.duplicate, operation_id=receipt.operation_id)
