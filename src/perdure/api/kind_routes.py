"""What the routes of every kind of operation do alike: take one in, list."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from perdure.api.authentication import log_as_about, own_customer
from perdure.api.idempotency import Answer, IdempotencyKey, answer_once
from perdure.api.keys import ApiKey
from perdure.api.operation_schemas import OperationsOfKindQuery
from perdure.api.schemas import Item, Page, page_of
from perdure.bootstrap import Platform
from perdure.operations.model import Operation, Side
from perdure.storage.pool import Connection


async def accept_once(
    request: Request,
    platform: Platform,
    caller: ApiKey,
    key: IdempotencyKey | None,
    *,
    accept: Callable[[Connection], Awaitable[Operation]],
    show: Callable[[Operation, Side], BaseModel],
) -> Response:
    """Take an operation in and start it, or answer with the one that the request led to before.

    Args:
        accept: Stores it, in the transaction it is given; what it raises refuses the request.

    Raises:
        Conflict, IdempotencyMismatch: As `answer_once`.
    """
    accepted: list[Operation] = []

    async def act(connection: Connection) -> Answer:
        operation = await accept(connection)
        accepted.append(operation)
        log_as_about(operation)
        return Answer.of(201, show(operation, caller.side), replayed=operation.is_repeat)

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, act
    )
    for operation in accepted:
        await platform.operations.begin(operation)
    return answer.response()


async def list_operations(
    platform: Platform,
    caller: ApiKey,
    query: OperationsOfKindQuery,
    *,
    kind: str | None,
    show: Callable[[Operation, Side], Item],
    url: str,
) -> Page[Item]:
    """Return a page of operations, newest first.

    Args:
        kind: None: of all kinds.

    Raises:
        InvalidInput: `two_cursors`.
        Forbidden: `other_customer`.
    """
    query.check()
    found = await platform.operations.find(
        kind=kind,
        status=query.status,
        customer_id=own_customer(caller, query.customer_id),
        reference=query.reference,
        starting_after=query.starting_after,
        ending_before=query.ending_before,
        limit=query.limit + 1,
    )
    return page_of(
        found,
        query.limit,
        lambda operation: show(operation, caller.side),
        url,
        backwards=query.ending_before is not None,
    )
