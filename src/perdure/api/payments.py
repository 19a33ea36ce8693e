"""`/v1/payments`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    own_customer,
    visible_operation,
)
from perdure.api.idempotency import Answer, IdempotencyKey, answer_once, idempotency_key
from perdure.api.keys import ApiKey, Scope
from perdure.api.payment_schemas import (
    PaymentBody,
    PaymentCancellation,
    PaymentsQuery,
    PaymentView,
    PaymentWorkflow,
)
from perdure.api.schemas import ERROR_RESPONSES, Page, ReasonBody, Text, page_of
from perdure.core.errors import Conflict
from perdure.operations.model import Operation
from perdure.payments.contracts import KIND
from perdure.storage.pool import Connection

router = APIRouter(prefix="/v1/payments", tags=["payments"], responses=ERROR_RESPONSES)

Reader = Annotated[ApiKey, Depends(caller_with(Scope.PAYMENTS_READ))]
Writer = Annotated[ApiKey, Depends(caller_with(Scope.PAYMENTS_WRITE))]


@router.post("", status_code=201, response_model=PaymentView)
async def create_payment(
    request: Request,
    body: PaymentBody,
    platform: PlatformOfApp,
    caller: Writer,
    key: Annotated[IdempotencyKey | None, Depends(idempotency_key)],
) -> Response:
    """Take a payment in: refused at once, or stored and certain to reach an end."""
    check_customer(caller, body.customer_id)
    accepted: list[Operation] = []

    async def accept(connection: Connection) -> Answer:
        operation = await platform.payments.accept(
            connection, body.to_request(), actor=caller.actor, metadata=body.metadata
        )
        accepted.append(operation)
        return Answer.of(201, PaymentView.of(operation))

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, accept
    )
    for operation in accepted:
        await platform.operations.launch(operation)
    return answer.response()


@router.get("")
async def list_payments(
    platform: PlatformOfApp, caller: Reader, query: Annotated[PaymentsQuery, Query()]
) -> Page[PaymentView]:
    """List payments, newest first."""
    query.check()
    found = await platform.operations.find(
        kind=KIND,
        status=query.status,
        customer_id=own_customer(caller, query.customer_id),
        reference=query.reference,
        starting_after=query.starting_after,
        ending_before=query.ending_before,
        limit=query.limit + 1,
    )
    backwards = query.ending_before is not None
    return page_of(found, query.limit, PaymentView.of, router.prefix, backwards=backwards)


@router.get("/{payment_id}")
async def get_payment(payment_id: Text, platform: PlatformOfApp, caller: Reader) -> PaymentView:
    """Return a payment, as the database has it."""
    return PaymentView.of(await visible_operation(platform, caller, payment_id, kind=KIND))


@router.post("/{payment_id}/cancel")
async def cancel_payment(
    payment_id: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> PaymentCancellation:
    """Ask a payment to stop, and have what it did undone; asking again changes nothing."""
    await visible_operation(platform, caller, payment_id, kind=KIND)
    answer = await platform.operations.cancel(payment_id, actor=caller.actor, reason=body.reason)
    if not answer.accepted:
        raise Conflict(
            f"{payment_id} is not cancelled: {answer.reason}", code="not_cancellable", param="id"
        )
    payment = PaymentView.of(await platform.operations.get(payment_id))
    return PaymentCancellation(accepted=True, reason=answer.reason, payment=payment)


@router.get("/{payment_id}/workflow")
async def get_payment_workflow(
    payment_id: Text, platform: PlatformOfApp, caller: Reader
) -> PaymentWorkflow:
    """Ask the payment's workflow itself where it stands; needs a worker to answer."""
    await visible_operation(platform, caller, payment_id, kind=KIND)
    status = await platform.payment_reporting.status(payment_id)
    return PaymentWorkflow(payment_id=payment_id, public_status=status)
