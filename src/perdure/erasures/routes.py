"""`/v1/customers/{customer_id}/erasure`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.idempotency import KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.kind_routes import accept_once
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import OperationView
from perdure.api.schemas import ReasonBody, Text
from perdure.erasures.acceptance import ErasureAcceptance
from perdure.operations.model import By, Operation
from perdure.storage.pool import Connection

router = APIRouter(prefix="/v1/customers", tags=["customers"])

HouseWriter = Annotated[ApiKey, Depends(house_caller_with("erasures:write"))]


@router.post(
    "/{customer_id}/erasure",
    status_code=201,
    response_model=OperationView,
    openapi_extra=refuses(
        "house_only",
        "reason_required",
        "customer_not_found",
        "operations_open",
        "money_left",
        "kind_not_installed",
        "operation_exported",
    ),
)
async def erase_customer(
    *,
    request: Request,
    customer_id: Text,
    body: ReasonBody,
    platform: PlatformOfApp,
    caller: HouseWriter,
    key: KeyOfRequest,
) -> Response:
    """Have nobody be able to tell any more who a customer was; asked again, it is the same.

    Refused while something of the customer is open, or money is left. Ids, amounts and the ledger
    stay. From now on nothing more is taken in for the customer (`customer_erased`).
    """

    async def accept(connection: Connection) -> Operation:
        erasures = platform.kinds.own(ErasureAcceptance)
        return await erasures.accept(connection, customer_id, By(caller.actor, body.reason))

    return await accept_once(request, platform, caller, key, accept=accept, show=OperationView.of)
