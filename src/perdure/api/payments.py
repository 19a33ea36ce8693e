"""`/v1/payments`."""

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
from perdure.api.payment_schemas import (
    PaymentBody,
    PaymentCancellation,
    PaymentView,
    PaymentWorkflow,
)
from perdure.api.schemas import Page, ReasonBody, Text
from perdure.operations.model import Operation
from perdure.payments.contracts import KIND
from perdure.payments.reporting import PaymentReporting
from perdure.storage.pool import Connection

router = APIRouter(prefix="/v1/payments", tags=["payments"])

Reader = Annotated[ApiKey, Depends(caller_with("payments:read"))]
Writer = Annotated[ApiKey, Depends(caller_with("payments:write"))]


@router.post(
    "",
    status_code=201,
    response_model=PaymentView,
    openapi_extra=refuses(*ACCEPTING, *MONEY, "other_customer"),
)
async def create_payment(
    request: Request,
    body: PaymentBody,
    platform: PlatformOfApp,
    caller: Writer,
    key: Annotated[IdempotencyKey | None, Depends(idempotency_key)],
) -> Response:
    """Take a payment in: refused at once, or stored and certain to reach an end."""
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
        request, platform, caller, key, accept=accept, show=PaymentView.of
    )


@router.get("", openapi_extra=refuses("two_cursors", "other_customer"))
async def list_payments(
    platform: PlatformOfApp, caller: Reader, query: Annotated[OperationsOfKindQuery, Query()]
) -> Page[PaymentView]:
    """List payments, newest first."""
    return await kind_routes.list_operations(
        platform, caller, query, kind=KIND, show=PaymentView.of, url=router.prefix
    )


@router.get("/{payment_id}", openapi_extra=refuses("payment_not_found"))
async def get_payment(payment_id: Text, platform: PlatformOfApp, caller: Reader) -> PaymentView:
    """Return a payment, as the database has it."""
    found = await visible_operation(platform, caller, payment_id, kind=KIND)
    return PaymentView.of(found, caller.side)


@router.post("/{payment_id}/cancel", openapi_extra=refuses("payment_not_found", *CANCELLING))
async def cancel_payment(
    payment_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> PaymentCancellation:
    """Ask a payment to stop, and have what it did undone; asking again changes nothing."""
    reason, payment = await kind_routes.cancel_operation(
        platform, caller, payment_id, body.reason, kind=KIND
    )
    return PaymentCancellation(
        accepted=True, reason=reason, payment=PaymentView.of(payment, caller.side)
    )


@router.post("/{payment_id}/refund", openapi_extra=refuses("payment_not_found", *REFUNDING))
async def refund_payment(
    payment_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> OperationView:
    """Have a payment that has succeeded given back; the refund answers, also when asked again."""
    return await kind_routes.refund_operation(platform, caller, payment_id, body.reason, kind=KIND)


@router.get(
    "/{payment_id}/workflow",
    openapi_extra=refuses("payment_not_found", "workflow_not_found", "workflow_not_answering"),
)
async def get_workflow(
    payment_id: Text, platform: PlatformOfApp, caller: Reader
) -> PaymentWorkflow:
    """Ask the payment's workflow itself where it stands; needs a worker to answer."""
    await visible_operation(platform, caller, payment_id, kind=KIND)
    status = await platform.kinds.own(PaymentReporting).status(payment_id)
    return PaymentWorkflow(payment_id=payment_id, public_status=status)
