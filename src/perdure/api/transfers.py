"""`/v1/transfers`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from perdure.api import kind_routes
from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    visible_operation,
)
from perdure.api.idempotency import IdempotencyKey, idempotency_key
from perdure.api.keys import ApiKey
from perdure.api.kind_meanings import ACCEPTING, CANCELLING, MONEY, REFUNDING
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import OperationsOfKindQuery, OperationView
from perdure.api.schemas import Page, ReasonBody, Text
from perdure.api.transfer_schemas import TransferBody, TransferCancellation, TransferView
from perdure.operations.model import Operation
from perdure.storage.pool import Connection
from perdure.transfers.contracts import KIND

router = APIRouter(prefix="/v1/transfers", tags=["transfers"])

Reader = Annotated[ApiKey, Depends(caller_with("transfers:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("transfers:write"))]


@router.post(
    "",
    status_code=201,
    response_model=TransferView,
    openapi_extra=refuses(*ACCEPTING, *MONEY, "other_customer"),
)
async def create_transfer(
    request: Request,
    body: TransferBody,
    platform: PlatformOfApp,
    caller: Writer,
    key: Annotated[IdempotencyKey | None, Depends(idempotency_key)],
) -> Response:
    """Take a transfer in: refused at once, or stored and certain to reach an end."""
    check_customer(caller, body.customer_id)

    async def accept(connection: Connection) -> Operation:
        return await platform.kinds.acceptance(KIND).accept(
            connection,
            body.to_request(),
            actor=caller.actor,
            metadata=body.metadata,
            lane=platform.kinds.lane_for(KIND, body.to_request()) if body.bulk else None,
            deadline_at=body.deadline,
        )

    return await kind_routes.accept_once(
        request, platform, caller, key, accept=accept, show=TransferView.of
    )


@router.get("", openapi_extra=refuses("two_cursors", "other_customer"))
async def list_transfers(
    platform: PlatformOfApp, caller: Reader, query: Annotated[OperationsOfKindQuery, Query()]
) -> Page[TransferView]:
    """List transfers, newest first."""
    return await kind_routes.list_operations(
        platform, caller, query, kind=KIND, show=TransferView.of, url=router.prefix
    )


@router.get("/{transfer_id}", openapi_extra=refuses("transfer_not_found"))
async def get_transfer(transfer_id: Text, platform: PlatformOfApp, caller: Reader) -> TransferView:
    """Return a transfer, as the database has it."""
    found = await visible_operation(platform, caller, transfer_id, kind=KIND)
    return TransferView.of(found, caller.side)


@router.post("/{transfer_id}/cancel", openapi_extra=refuses("transfer_not_found", *CANCELLING))
async def cancel_transfer(
    transfer_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> TransferCancellation:
    """Ask a transfer to stop, and have what it did undone; asking again changes nothing."""
    reason, transfer = await kind_routes.cancel_operation(
        platform, caller, transfer_id, body.reason, kind=KIND
    )
    return TransferCancellation(
        accepted=True, reason=reason, transfer=TransferView.of(transfer, caller.side)
    )


@router.post("/{transfer_id}/refund", openapi_extra=refuses("transfer_not_found", *REFUNDING))
async def refund_transfer(
    transfer_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> OperationView:
    """Have a transfer that has succeeded given back; the refund answers, also when asked again."""
    return await kind_routes.refund_operation(platform, caller, transfer_id, body.reason, kind=KIND)
