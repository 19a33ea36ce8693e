"""Many operations of a kind in one request: each is taken in or refused by itself."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, ValidationError, WrapValidator, create_model
from starlette.responses import Response

from perdure.api.authentication import PlatformOfApp, caller_with, check_customer
from perdure.api.idempotency import Answer, KeyOfRequest, answer_once
from perdure.api.keys import ApiKey
from perdure.api.kind_routes import check_own
from perdure.api.kind_schemas import KindSchemas
from perdure.api.openapi import refuses
from perdure.api.schemas import FailureView, RequestBody
from perdure.api.validation_errors import explain
from perdure.bootstrap import Platform
from perdure.capability.declaration import Capability
from perdure.core.errors import Forbidden, InvalidInput, PerdureError
from perdure.operations.model import Operation, Status
from perdure.storage.outages import does_not_fit
from perdure.storage.pool import Connection

ITEMS_MAX: Final = 200

_REJECTED: Final = "rejected"
_Asked = tuple[Any, int | None]
"""What the capability is asked, and in which lane."""


class BatchItemView(BaseModel):
    """What became of an item."""

    number: int = Field(description="Its place in the request, counted from 0.")
    id: str | None = Field(description="The operation's id; null: it was refused.")
    status: Status | Literal["rejected"] = Field(description="The operation's, or `rejected`.")
    failure: FailureView | None = Field(description="Why it was refused, or failed.")


class BatchView(BaseModel):
    """What became of each item, in their order."""

    object: Literal["batch"] = "batch"
    data: list[BatchItemView]


def add_batch(router: APIRouter, kind: Capability, schemas: KindSchemas) -> None:
    """Add the route that takes many in at once."""
    body_model = _body_model(kind, schemas)

    @router.post(
        "/batch",
        name="batch",
        summary=f"Batch {kind.plural}".title(),
        response_model=BatchView,
        openapi_extra=refuses(),
    )
    async def batch(
        request: Request,
        body: body_model,  # type: ignore[valid-type]
        platform: PlatformOfApp,
        caller: Annotated[ApiKey, Depends(caller_with(f"{kind.plural}:write"))],
        key: KeyOfRequest,
    ) -> Response:
        """Take many in at once; each is refused or accepted by itself, and told in their order.

        One with a `reference` that is known is answered with the operation that has it. They are
        carried out in lanes, unless each is to have a workflow of its own.
        """
        items = _Batch(platform, caller, kind, schemas, body)
        answer = await answer_once(
            platform.operations, caller.owner, key, request.state.request_id, items.accept
        )
        await items.begin()
        return answer.response()


def _as_it_came(item: Any, _validate: Any) -> Any:
    return item


def _body_model(kind: Capability, schemas: KindSchemas) -> type[RequestBody]:
    given: dict[str, Any] = {
        "items": (
            # Each is looked at by itself, so that one that is wrong refuses no other.
            list[Annotated[schemas.item, WrapValidator(_as_it_came)]],  # type: ignore[name-defined]
            Field(description=f"At most {ITEMS_MAX}.", min_length=1, max_length=ITEMS_MAX),
        )
    }
    if kind.has_lane:
        told = "Give each a workflow of its own: every step shows in Temporal, at a fraction of the"
        given["own_workflows"] = (bool, Field(default=False, description=f"{told} speed."))
    return create_model(
        f"{kind.name.title()}Batch",
        __base__=RequestBody,
        __module__=__name__,
        __doc__=f"{kind.plural.capitalize()} to be made together.",
        **given,
    )


class _Batch:
    """The items of one request, on their way in."""

    def __init__(
        self, platform: Platform, caller: ApiKey, kind: Capability, schemas: KindSchemas, body: Any
    ) -> None:
        self._platform = platform
        self._caller = caller
        self._kind = kind
        self._schemas = schemas
        self._in_lanes = kind.has_lane and not body.own_workflows
        self._read = [self._read_item(number, item) for number, item in enumerate(body.items)]
        self.taken: list[Operation] = []

    async def accept(self, connection: Connection) -> Answer:
        """Store what can be; tells what became of each."""
        good = [one for one in self._read if not isinstance(one, PerdureError)]
        outcomes = iter(await self._accept_all(connection, good))
        found = [one if isinstance(one, PerdureError) else next(outcomes) for one in self._read]
        self.taken = [one for one in found if isinstance(one, Operation)]
        data = [_view(number, one) for number, one in enumerate(found)]
        return Answer.of(200, BatchView(data=data))

    async def _accept_all(
        self, connection: Connection, asked: Sequence[_Asked]
    ) -> list[Operation | PerdureError]:
        try:
            async with connection.transaction():
                found = await self._platform.kinds.acceptance(self._kind.name).accept_many(
                    connection,
                    [request for request, _ in asked],
                    actor=self._caller.actor,
                    lanes=[lane for _, lane in asked],
                )
                await check_own(connection, [one for one in found if isinstance(one, Operation)])
                return found
        except Exception as error:
            if not (does_not_fit(error) or isinstance(error, Forbidden)):
                raise
            if len(asked) > 1:
                return [one for each in asked for one in await self._accept_all(connection, [each])]
            if isinstance(error, Forbidden):
                return [error]
            return [InvalidInput(f"The database does not take it: {error}.")]

    async def begin(self) -> None:
        """Have what was stored carried out."""
        # Of those in one lane one is enough to have it run.
        begun = {one.id if one.lane is None else one.lane: one for one in self.taken}
        await asyncio.gather(*(self._platform.operations.begin(one) for one in begun.values()))

    def _read_item(self, number: int, item: Any) -> _Asked | PerdureError:
        """Return what is asked; or the error that refuses it."""
        try:
            given: Any = self._schemas.item.model_validate(item)
            check_customer(self._caller, given.customer_id)
            request = self._schemas.request_of(given)
            lane_for = self._platform.kinds.lane_for
            return request, lane_for(self._kind.name, request, number) if self._in_lanes else None
        except ValidationError as error:
            told = explain([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])
            return InvalidInput(told.message, code=told.code, param=told.param)
        except PerdureError as error:
            return error


def _view(number: int, found: Operation | PerdureError) -> BatchItemView:
    if isinstance(found, Operation):
        failure = FailureView.of(found.failure)
        return BatchItemView(number=number, id=found.id, status=found.status, failure=failure)
    failure = FailureView(code=found.code, message=found.message, step=None, param=found.param)
    return BatchItemView(number=number, id=None, status=_REJECTED, failure=failure)
