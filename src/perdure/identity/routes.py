"""Where the verifier calls back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp
from perdure.api.openapi import refuses
from perdure.config import Settings
from perdure.identity.callbacks import IdentityCallbacks
from perdure.outside import LazyProvider, use_of
from perdure.providers.identity import IDENTITY_ROLE, IdentityVerifier

log = structlog.get_logger()


@asynccontextmanager
async def _verifier(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await _verifier_of(app).close()


callbacks = APIRouter(prefix="/v1/callbacks", tags=["callbacks"], lifespan=_verifier)


def check_verifier(settings: Settings) -> None:
    """Have what is wrong with the verifier's class end the start, not the first callback.

    Raises:
        ConfigurationError: There is no such class, or it lacks a setting.
    """
    use = use_of(IDENTITY_ROLE, settings)
    use.settings(use.load())


def _verifier_of(app: FastAPI) -> LazyProvider[IdentityVerifier]:
    """Return the class that reads callbacks; it is made when the first one comes."""
    if not hasattr(app.state, "identity_verifier"):
        use = use_of(IDENTITY_ROLE, app.state.platform.settings)
        app.state.identity_verifier = LazyProvider(use)
    found: LazyProvider[IdentityVerifier] = app.state.identity_verifier
    return found


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
    openapi_extra=refuses(
        "malformed_callback",
        "invalid_signature",
        "stale_callback",
        "internal_error",
        "database_unavailable",
    ),
)
async def receive_identity_callback(
    request: Request, response: Response, platform: PlatformOfApp
) -> IdentityReceiptView:
    """Take what the identity verifier tells, signed as Standard Webhooks say.

    It is not believed: the verifier is asked.
    """
    verifier = await _verifier_of(request.app).get()
    event = await verifier.read_callback(request.headers, await request.body())
    receipt = await platform.kinds.own(IdentityCallbacks).receive(event)
    if receipt.operation_id is None:
        log.warning("callback_of_no_check", event_id=receipt.event_id, type=event.type)
        response.status_code = 202
    return IdentityReceiptView(duplicate=receipt.duplicate, operation_id=receipt.operation_id)
