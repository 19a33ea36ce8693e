"""The routes of a kind of operation, from its declaration."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from perdure.api import kind_routes
from perdure.api.acting import ActingOnOne
from perdure.api.authentication import (
    PlatformOfApp,
    caller_with,
    check_customer,
    visible_operation,
)
from perdure.api.batches import add_batch
from perdure.api.idempotency import KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.kind_meanings import CANCELLING, accepting, refunding
from perdure.api.kind_schemas import KindSchemas
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import OperationsOfKindQuery, OperationView
from perdure.api.schemas import Page, ReasonBody, Text
from perdure.capability.declaration import Capability
from perdure.operations.model import Operation
from perdure.storage.pool import Connection


def kind_router(kind: Capability) -> APIRouter:
    """Return the routes that every kind has: create, batch, list, get, cancel, refund."""
    router = APIRouter(prefix=f"/v1/{kind.plural}", tags=[kind.plural])
    schemas = KindSchemas(kind)
    _add_creating(router, kind, schemas)
    add_batch(router, kind, schemas)
    _add_reading(router, kind, schemas)
    _add_acting(router, kind, schemas)
    return router


def _add_creating(router: APIRouter, kind: Capability, schemas: KindSchemas) -> None:
    @router.post(
        "",
        status_code=201,
        response_model=schemas.view,
        **_described(
            kind,
            "create",
            f"Take {kind.one} in: refused at once, or stored and certain to reach an end.",
            *accepting(kind),
            "other_customer",
        ),
    )
    async def create(
        request: Request,
        body: schemas.body,  # type: ignore[name-defined]
        platform: PlatformOfApp,
        caller: Annotated[ApiKey, Depends(caller_with(f"{kind.plural}:write"))],
        key: KeyOfRequest,
    ) -> Response:
        check_customer(caller, body.customer_id)

        async def accept(connection: Connection) -> Operation:
            asked = schemas.request_of(body)
            gear = schemas.gear_of(body)
            return await platform.kinds.acceptance(kind.name).accept(
                connection,
                asked,
                actor=caller.actor,
                metadata=body.metadata,
                lane=platform.kinds.lane_in(gear, kind.name, asked),
                deadline_at=body.deadline,
            )

        return await kind_routes.accept_once(
            request, platform, caller, key, accept=accept, show=schemas.show
        )


def _add_reading(router: APIRouter, kind: Capability, schemas: KindSchemas) -> None:
    reader = Annotated[ApiKey, Depends(caller_with(f"{kind.plural}:read"))]
    listed = f"List {kind.plural}, newest first."
    got = f"Return {kind.one}, as the database has it."

    @router.get(
        "",
        response_model=Page[schemas.view],  # type: ignore[name-defined]
        **_described(kind, "list", listed, "two_cursors", "other_customer"),
    )
    async def list_all(
        platform: PlatformOfApp, caller: reader, query: Annotated[OperationsOfKindQuery, Query()]
    ) -> Page[Any]:
        return await kind_routes.list_operations(
            platform, caller, query, kind=kind.name, show=schemas.show, url=router.prefix
        )

    @router.get(
        f"/{{{kind.name}_id}}",
        response_model=schemas.view,
        **_described(kind, "get", got, f"{kind.name}_not_found"),
    )
    async def get(
        operation_id: Annotated[Text, Path(alias=f"{kind.name}_id")],
        platform: PlatformOfApp,
        caller: reader,
    ) -> Any:
        found = await visible_operation(platform, caller, operation_id, kind=kind.name)
        return schemas.show(found, caller.side)


def _add_acting(router: APIRouter, kind: Capability, schemas: KindSchemas) -> None:
    one = f"/{{{kind.name}_id}}"

    async def acting(
        request: Request,
        operation_id: Annotated[Text, Path(alias=f"{kind.name}_id")],
        platform: PlatformOfApp,
        caller: Annotated[ApiKey, Depends(caller_with(f"{kind.plural}:write"))],
        key: KeyOfRequest,
    ) -> ActingOnOne:
        return ActingOnOne(request, platform, caller, key, operation_id, kind.name)

    acting_on = Annotated[ActingOnOne, Depends(acting)]
    cancelled = (
        f"Ask {kind.one} to stop, and have what it did undone; asking again changes nothing."
    )
    refunded = (
        f"Have {kind.one} that has succeeded given back; the refund answers, also when asked again."
    )

    @router.post(
        f"{one}/cancel",
        response_model=schemas.cancellation,
        **_described(kind, "cancel", cancelled, f"{kind.name}_not_found", *CANCELLING),
    )
    async def cancel(acting: acting_on, body: ReasonBody) -> Response:
        return await acting.cancel(body.reason, schemas.show_cancelled)

    if not kind.is_refundable:
        return

    @router.post(
        f"{one}/refund",
        response_model=OperationView,
        **_described(kind, "refund", refunded, f"{kind.name}_not_found", *refunding(kind)),
    )
    async def refund(acting: acting_on, body: ReasonBody) -> Response:
        return await acting.do(acting.actions.refund, body.reason)


def _described(kind: Capability, action: str, told: str, *codes: str) -> dict[str, Any]:
    noun = kind.plural if action == "list" else kind.name
    remark = kind.remarks.get(action)
    return {
        "name": action,
        "summary": f"{action} {noun}".title(),
        "description": f"{told}\n\n{remark}" if remark else told,
        "openapi_extra": refuses(*codes),
    }
