"""Taking operations in: many in one commit, or one as a batch of its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from perdure.core.errors import InvalidInput, PerdureError
from perdure.core.request_id import current_request_id
from perdure.core.telemetry import telemetry
from perdure.core.text import check_identifier
from perdure.operations import store
from perdure.operations.correction import read_request
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection
from perdure.storage.row_security import in_own_name

_INSERT: Final = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[],
        $7::smallint[], $9::timestamptz[], $11::text[])
    AS given (id, kind, customer_id, reference, input, metadata, lane, deadline_at, traceparent)
), accepted AS (
    INSERT INTO operations (id, kind, status, customer_id, reference, input, metadata, lane,
        deadline_at, traceparent)
    SELECT id, kind, 'pending', customer_id, reference, input, metadata, lane, deadline_at,
        traceparent
    FROM given WHERE NOT EXISTS (
        SELECT FROM erased_customers WHERE erased_customers.customer_id = given.customer_id)
    ON CONFLICT DO NOTHING
    RETURNING *
), trail AS (
    INSERT INTO operation_trail (operation_id, actor, action, status, request_id)
    SELECT id, $8, 'accepted', status, $10 FROM accepted
)
SELECT * FROM accepted
"""


async def accept_many(
    connection: Connection, new: Sequence[NewOperation], *, actor: str
) -> list[Operation | PerdureError]:
    """Store operations as `pending`, as `store.accept` does one; returns what became of each.

    Returns, in their order, the stored operation, or the error of `store.accept` that refused it.
    Of two with one reference, the first is the one that counts.
    """
    here = telemetry().traceparent()
    async with in_own_name(connection) as named:
        rows = await named.fetch(
            _INSERT,
            [one.id for one in new],
            [one.kind for one in new],
            [one.customer_id for one in new],
            [one.reference for one in new],
            [one.input for one in new],
            [one.metadata for one in new],
            [one.lane for one in new],
            actor,
            [one.deadline_at for one in new],
            current_request_id(),
            [one.traceparent or here for one in new],
        )
    stored = {row["id"]: store.operation_of(row) for row in rows}
    return [stored.get(one.id) or await _twin(connection, one, actor) for one in new]


async def _twin(connection: Connection, new: NewOperation, actor: str) -> Operation | PerdureError:
    try:
        return await store.accept(connection, new, actor=actor)
    except PerdureError as error:
        return error


def check_deadline(deadline_at: datetime | None, now: datetime) -> None:
    """Refuse a deadline that has passed.

    Raises:
        InvalidInput: `deadline_passed`.
    """
    if deadline_at is not None and deadline_at <= now:
        raise InvalidInput(
            f"The deadline {deadline_at.isoformat()} has passed; give one in the future.",
            code="deadline_passed",
            param="deadline",
        )


class NamedRequest(Protocol):
    """Who asks, and by what name."""

    @property
    def customer_id(self) -> str: ...  # noqa: D102
    @property
    def reference(self) -> str | None: ...  # noqa: D102


Request = TypeVar("Request")


class Acceptance(ABC, Generic[Request]):
    """Validates one kind of operation and stores what may begin."""

    async def accept(
        self,
        connection: Connection,
        request: Request,
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lane: int | None = None,
        deadline_at: datetime | None = None,
    ) -> Operation:
        """Store an operation as `pending`; asked for again, it is the stored one.

        Args:
            lane: Which lane carries it out; None: a workflow of its own.
            deadline_at: It is cancelled if it has not ended by then.

        Raises:
            PerdureError: Why it is refused; see `accept_many`.
        """
        (found,) = await self.accept_many(
            connection,
            [request],
            actor=actor,
            metadata=metadata,
            lanes=[lane],
            deadline_at=deadline_at,
        )
        if isinstance(found, PerdureError):
            raise found
        return found

    @abstractmethod
    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[Request],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,
        deadline_at: datetime | None = None,
    ) -> list[Operation | PerdureError]:
        """Store operations; returns what became of each, in their order: stored, or why not.

        Args:
            lanes: Which lane carries each out; None: a workflow of its own.
            deadline_at: As in `accept`; of all.
        """


async def by_reference(
    connection: Connection, kind: str, references: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Operation]:
    """Return the operations of a kind that these references lead to, by customer and reference."""
    if not references:
        return {}
    rows = await connection.fetch(
        # Looked up one by one in the index of references: a join would read all there are.
        "SELECT found.* FROM unnest($2::text[], $3::text[]) AS asked (customer, name),"
        f" LATERAL (SELECT {store.SHOWN} FROM operations WHERE kind = $1"
        " AND customer_id = customer AND reference = name AND relaunched_as IS NULL) AS found",
        kind,
        [customer_id for customer_id, _ in references],
        [reference for _, reference in references],
    )
    found = [replace(store.operation_of(row), is_repeat=True) for row in rows]
    return {(operation.customer_id, str(operation.reference)): operation for operation in found}


def named(request: NamedRequest) -> tuple[str, str] | None:
    """Return customer and reference as they are kept; None: it has none, or they are not right."""
    if request.reference is None:
        return None
    try:
        return (
            check_identifier("customer_id", request.customer_id),
            check_identifier("reference", request.reference),
        )
    except InvalidInput:
        return None


def is_same(
    operation: Operation, request: Request, check_request: Callable[[Request], Request]
) -> bool:
    """Whether an operation was asked for with this request, in this form or another.

    Args:
        check_request: Returns the form a request is kept in. What was accepted before it was the
            rule is still the same.
    """
    kept = operation.asked_request
    if kept == to_json(request):
        return True
    try:
        return check_request(read_request(type(request), kept)) == request
    except PerdureError:
        return False
