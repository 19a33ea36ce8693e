"""Taking in operations that are asked for: refused at once, or stored.

What is stored is certain to reach an end.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import PerdureError
from perdure.core.ids import new_id
from perdure.operations.acceptance import (
    Acceptance,
    NamedRequest,
    accept_many,
    by_reference,
    check_deadline,
    is_same,
    named,
)
from perdure.operations.correction import Corrects, read_request
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.operations.store import reference_taken
from perdure.storage.pool import Connection

Request = TypeVar("Request", bound=NamedRequest)


class RequestAcceptance(Acceptance[Request], Corrects[Request]):
    """Validates one kind of operation and stores what may begin.

    Args:
        kind: As in `operations.kind`.
        id_prefix: The first part of its ids.
        check_request: Returns a request as it is kept; refuses one that can never become an
            operation.
        request_type: The type of the requests, to read them back.
        input_of: Returns the workflow's input, given the operation's id.
        correctable: As in `KindActions`.
    """

    def __init__(
        self,
        *,
        kind: str,
        id_prefix: str,
        check_request: Callable[[Request], Request],
        request_type: type[Request],
        input_of: Callable[[str, Request], Any],
        correctable: Mapping[str, str | None],
        clock: Clock = utc_now,
    ) -> None:
        self._kind = kind
        self._id_prefix = id_prefix
        self._check_request = check_request
        self.request_type = request_type
        self._input_of = input_of
        self.correctable = correctable
        self._clock = clock

    async def look(
        self,
        connection: Connection,  # noqa: ARG002 - a kind's own looks there
        requests: Sequence[Request],  # noqa: ARG002
    ) -> Callable[[Request], None]:
        """Look at what requests are about; returns what refuses one of them, as it is kept."""
        return lambda _: None

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

        An operation is refused with

        - `InvalidInput`, `LimitExceeded`: the request itself; see the capability's `rules`. Or
          `deadline_passed`;
        - what `look` finds;
        - `IdempotencyMismatch`: the reference is taken by another operation of the kind.

        One that is known by its reference is the stored one, whatever would be said of it now.
        """
        refuse = await self.look(connection, requests)
        names = [named(request) for request in requests]
        known = await by_reference(connection, self._kind, {name for name in names if name})
        outcomes: dict[int, Operation | PerdureError] = {}
        new: dict[int, NewOperation] = {}
        for number, (request, name) in enumerate(zip(requests, names, strict=True)):
            try:
                if name in known:
                    outcomes[number] = self._known(known[name], request)
                    continue
                kept = self._check_request(request)
                check_deadline(deadline_at, self._clock())
                refuse(kept)
            except PerdureError as error:
                outcomes[number] = error
                continue
            lane = lanes[number] if lanes else None
            new[number] = self._new_operation(kept, metadata or {}, lane, deadline_at)
        stored = await accept_many(connection, list(new.values()), actor=actor)
        outcomes |= zip(new, stored, strict=True)
        return [outcomes[number] for number in range(len(requests))]

    def _known(self, operation: Operation, request: Request) -> Operation:
        """Return the operation that has a request's reference, if it was asked for with it.

        Raises:
            InvalidInput: It was not, nor could any be.
            IdempotencyMismatch: It was asked for with another.
        """
        if is_same(operation, request, self._check_request) or is_same(
            operation, self._check_request(request), self._check_request
        ):
            return operation
        raise reference_taken(operation)

    def check_request(self, request: Request) -> Request:
        """Return a request as it is kept; refuse one that can never become an operation."""
        return self._check_request(request)

    async def accept_again(
        self, connection: Connection, operation: Operation, *, actor: str, lane: int | None = None
    ) -> Operation:
        """Store a new operation with the request of one that failed; as `accept`.

        It has no deadline; as in `KindActions`, it has no reference yet.
        """
        request = read_request(self.request_type, operation.input["request"] | {"reference": None})
        return await self.accept(
            connection, request, actor=actor, metadata=operation.metadata, lane=lane
        )

    def _new_operation(
        self,
        request: Request,
        metadata: dict[str, str],
        lane: int | None,
        deadline_at: datetime | None,
    ) -> NewOperation:
        operation_id = new_id(self._id_prefix)
        return NewOperation(
            id=operation_id,
            kind=self._kind,
            customer_id=request.customer_id,
            input=to_json(self._input_of(operation_id, request)),
            reference=request.reference,
            metadata=metadata,
            lane=lane,
            deadline_at=deadline_at,
        )
