"""Reconciliations taken in, one a day; and what can be done to them and to breaks."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from perdure.core.clock import utc_now
from perdure.core.errors import Conflict, InvalidInput
from perdure.core.ids import new_id
from perdure.core.notes import correctable
from perdure.operations import store
from perdure.operations.correction import Corrects
from perdure.operations.model import HOUSE, NewOperation, Operation
from perdure.operations.steps import from_json, to_json
from perdure.reconciliation.breaks.model import read_resolution
from perdure.reconciliation.contracts import (
    ID_PREFIX,
    KIND,
    BreakRequest,
    ReconciliationInput,
    ReconciliationOptions,
    ReconciliationRequest,
)
from perdure.storage.pool import Connection

_RESOLVABLE: Final = correctable(BreakRequest)
_YEARS_BACK: Final = 3


class ReconciliationAcceptance(Corrects[ReconciliationRequest]):
    """Takes reconciliations in.

    Args:
        options: How they are carried out.
    """

    request_type = ReconciliationRequest

    def __init__(self, options: ReconciliationOptions) -> None:
        self._options = options

    async def accept(
        self, connection: Connection, day: date, *, actor: str, again: bool = False
    ) -> Operation:
        """Store the reconciliation of a day; where there is one, that is returned.

        Args:
            again: Store a further one where the last one of the day has ended.

        Raises:
            InvalidInput: `invalid_date`: the day is not over, or years ago.
        """
        today = utc_now().date()
        if not today - timedelta(days=365 * _YEARS_BACK) <= day <= today:
            raise InvalidInput(
                f"Give a day of the last {_YEARS_BACK} years, in UTC; today's is compared as far"
                " as it has come.",
                code="invalid_date",
                param="day",
            )
        number = 0
        if again:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{KIND} {day}"
            )
            number = await self._next_number(connection, day.isoformat())
        return await self._store(
            connection, ReconciliationRequest(day.isoformat(), again=number), actor=actor
        )

    async def _next_number(self, connection: Connection, day: str) -> int:
        """Return which run of the day the next one is; one that has not ended is still it."""
        number = 0
        while True:
            row = await connection.fetchrow(
                "SELECT finished_at FROM operations WHERE kind = $1 AND customer_id = $2"
                " AND reference = $3",
                KIND,
                HOUSE,
                reference_of(day, number),
            )
            if row is None or row["finished_at"] is None:
                return number
            number += 1

    async def _store(
        self, connection: Connection, request: ReconciliationRequest, *, actor: str
    ) -> Operation:
        operation_id = new_id(ID_PREFIX)
        given = ReconciliationInput(operation_id, request, self._options)
        return await store.accept(
            connection,
            NewOperation(
                operation_id,
                KIND,
                HOUSE,
                to_json(given),
                reference=reference_of(request.day, request.again),
            ),
            actor=actor,
        )

    async def accept_again(
        self,
        connection: Connection,
        operation: Operation,
        *,
        actor: str,
        lane: int | None = None,  # noqa: ARG002 - they have none
    ) -> Operation:
        """Store a further reconciliation of the day of one that came to nothing."""
        request = from_json(ReconciliationRequest, operation.input["request"])
        number = await self._next_number(connection, request.day)
        # It takes over the reference of the one that it does again.
        return await self._store(connection, replace(request, again=number), actor=actor)


def reference_of(day: str, again: int) -> str:
    """Return what the runs of a day are known by: each one once."""
    return f"{day}#{again}" if again else day


class BreakActions(Corrects[BreakRequest]):
    """What can be done to a break: a correction says how it is resolved."""

    request_type = BreakRequest
    correctable = _RESOLVABLE

    def check_request(self, request: BreakRequest) -> BreakRequest:
        """Return the form a request is kept in; see `Corrects`."""
        return replace(request, resolution=read_resolution(request.resolution).as_patch())

    async def accept_again(
        self,
        connection: Connection,  # noqa: ARG002 - as `KindActions` has it
        operation: Operation,
        *,
        actor: str,  # noqa: ARG002
        lane: int | None = None,  # noqa: ARG002
    ) -> Operation:
        """Refuse: what does not fit is found again by the next reconciliation.

        Raises:
            Conflict: `not_supported`.
        """
        raise Conflict(
            f"{operation.id} is a break; what does not fit is found again by the next"
            " reconciliation.",
            code="not_supported",
            param="id",
        )
