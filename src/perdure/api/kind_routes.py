"""What the routes of every kind of operation do alike: take one in, list."""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from perdure.api.authentication import log_as_about, own_customer
from perdure.api.idempotency import Answer, IdempotencyKey, answer_once
from perdure.api.keys import ApiKey
from perdure.api.operation_schemas import OperationsOfKindQuery
from perdure.api.schemas import Item, Page, page_of
from perdure.bootstrap import Platform
from perdure.core.claim import current_customer, other_customer
from perdure.operations.model import Operation, Side
from perdure.operations.reporting import statuses
from perdure.storage.pool import Connection
from perdure.storage.row_security import in_own_name


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
        await check_own(connection, [operation])
        accepted.append(operation)
        log_as_about(operation)
        return Answer.of(201, show(operation, caller.side), replayed=operation.is_repeat)

    answer = await answer_once(
        platform.operations, caller.owner, key, request.state.request_id, act
    )
    for operation in accepted:
        await platform.operations.begin(operation)
    return answer.response()


async def check_own(connection: Connection, found: Iterable[Operation]) -> None:
    """Refuse what a request led to before, unless the database shows it to whoever asks.

    What is stored now, it has looked at.

    Raises:
        Forbidden: `other_customer`.
    """
    repeats = [one.id for one in found if one.is_repeat]
    if not repeats or current_customer() is None:
        return
    async with in_own_name(connection):
        own = await statuses(connection, repeats)
    if len(own) < len(set(repeats)):
        raise other_customer()


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
