"""`/v1/renewals`."""

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
from perdure.api.kind_meanings import ACCEPTING, CANCELLING, REFUNDING, RENEWING
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import OperationsOfKindQuery, OperationView
from perdure.api.renewal_schemas import RenewalBody, RenewalCancellation, RenewalView
from perdure.api.schemas import Page, ReasonBody, Text
from perdure.operations.model import Operation
from perdure.renewals.contracts import KIND
from perdure.storage.pool import Connection

router = APIRouter(prefix="/v1/renewals", tags=["renewals"])

Reader = Annotated[ApiKey, Depends(caller_with("renewals:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("renewals:write"))]


@router.post(
    "",
    status_code=201,
    response_model=RenewalView,
    openapi_extra=refuses(*ACCEPTING, *RENEWING, "other_customer"),
)
async def create_renewal(
    request: Request,
    body: RenewalBody,
    platform: PlatformOfApp,
    caller: Writer,
    key: Annotated[IdempotencyKey | None, Depends(idempotency_key)],
) -> Response:
    """Take a renewal in: refused at once, or stored and certain to reach an end.

    Asked for again while it is under way, a domain's renewal is answered with the same one.
    """
    check_customer(caller, body.customer_id)

    async def accept(connection: Connection) -> Operation:
        asked = body.to_request()
        return await platform.kinds.acceptance(KIND).accept(
            connection,
            asked,
            actor=caller.actor,
            metadata=body.metadata,
            lane=platform.kinds.lane_for(KIND, asked) if body.bulk else None,
            deadline_at=body.deadline,
        )

    return await kind_routes.accept_once(
        request, platform, caller, key, accept=accept, show=RenewalView.of
    )


@router.get("", openapi_extra=refuses("two_cursors", "other_customer"))
async def list_renewals(
    platform: PlatformOfApp, caller: Reader, query: Annotated[OperationsOfKindQuery, Query()]
) -> Page[RenewalView]:
    """List renewals, newest first."""
    return await kind_routes.list_operations(
        platform, caller, query, kind=KIND, show=RenewalView.of, url=router.prefix
    )


@router.get("/{renewal_id}", openapi_extra=refuses("renewal_not_found"))
async def get_renewal(renewal_id: Text, platform: PlatformOfApp, caller: Reader) -> RenewalView:
    """Return a renewal, as the database has it."""
    found = await visible_operation(platform, caller, renewal_id, kind=KIND)
    return RenewalView.of(found, caller.side)


@router.post("/{renewal_id}/cancel", openapi_extra=refuses("renewal_not_found", *CANCELLING))
async def cancel_renewal(
    renewal_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> RenewalCancellation:
    """Ask a renewal to stop, and have what it did undone; asking again changes nothing.

    What its registry does not take back stands, and is paid for.
    """
    reason, renewal = await kind_routes.cancel_operation(
        platform, caller, renewal_id, body.reason, kind=KIND
    )
    return RenewalCancellation(
        accepted=True, reason=reason, renewal=RenewalView.of(renewal, caller.side)
    )


@router.post("/{renewal_id}/refund", openapi_extra=refuses("renewal_not_found", *REFUNDING))
async def refund_renewal(
    renewal_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> OperationView:
    """Have a renewal that has succeeded taken back; the refund answers, also when asked again.

    Whether it is, is its registry's word.
    """
    return await kind_routes.refund_operation(platform, caller, renewal_id, body.reason, kind=KIND)
