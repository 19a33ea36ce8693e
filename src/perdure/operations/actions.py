"""What operators and customers do to one operation: each action one commit, with its trail.

An action changes the row and adds to the trail in one transaction, under the row's lock; then the
engine is told. What could not be told is told by the janitor (`run_requests`), so an engine that is
away refuses no action. A refused action changes nothing but the trail, which says why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from perdure.core.clock import utc_now
from perdure.core.errors import Conflict, PerdureError
from perdure.core.telemetry import telemetry
from perdure.operations import run_requests, store
from perdure.operations.allowed import Action, status_to_go_on_in, why_not
from perdure.operations.also import NOTHING_ELSE, Also
from perdure.operations.cancellation import CancelAnswer, request_cancel
from perdure.operations.correction import check_not_fixed
from perdure.operations.engine import Engine
from perdure.operations.kinds import KindActions
from perdure.operations.lanes.store import promote
from perdure.operations.model import By, Failure, Operation, RunRequest, Status
from perdure.operations.refunding import Refunds
from perdure.operations.refusals import note_refusal
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

TELL_TIMEOUT_S: Final = 5.0
"""Longer than the engine takes to be told: one that hangs does not hold up who acts."""

PARKED_BY_OPERATOR: Final = "parked_by_operator"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Relaunched:
    """What a relaunch led to.

    Args:
        operation: The one that goes on; a new one where the one that was named had ended.
        is_new: Whether it is a new one.
    """

    operation: Operation
    is_new: bool


class OperatorActions:
    """Acts on operations for the API, the CLI and bulk actions.

    Every action raises `NotFound` for an id there is none of, `InvalidInput` (`reason_required`),
    and `Conflict` where the operation's status does not allow it; see `allowed`.

    Args:
        kinds: By name.
        begin: Has an accepted operation carried out.
        refunds: What can be refunded, and how that is accepted; None: nothing can.
    """

    def __init__(
        self,
        pool: Pool,
        engine: Engine,
        kinds: Mapping[str, KindActions],
        begin: Callable[[Operation], Awaitable[None]],
        refunds: Refunds | None = None,
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._kinds = kinds
        self._begin = begin
        self._refunds = refunds
        self._refundable = refunds.kinds if refunds else {}

    async def cancel(self, operation_id: str, by: By, *, also: Also = NOTHING_ELSE) -> CancelAnswer:
        """Ask an operation to stop, and have what it did undone; asking again changes nothing.

        The request is on the row before the workflow is told, so a lost signal loses nothing.

        Raises:
            Conflict: `not_cancellable`: it has ended, or is being undone already; `held_by_house`:
                a customer cannot lift that.
        """
        by.check()
        promoted: list[Operation] = []
        async with transaction(self._pool) as connection:
            await also.before(connection)
            answer = await request_cancel(
                connection,
                operation_id,
                actor=by.actor,
                reason=by.reason,
                bulk_id=by.bulk_id,
                refundable=self._refundable,
            )
            if answer.accepted:
                operation = await store.get(connection, operation_id)
                telemetry().link(operation.traceparent)
                # A lane does not undo: its own workflow does.
                promoted = await promote(connection, {operation_id: "It is to be cancelled."})
                if operation.status == Status.NEEDS_ATTENTION:
                    # It may have no workflow left to tell: a new run does the undoing.
                    await run_requests.request_run(connection, operation_id, RunRequest.RESUME)
                await also.after(connection, answer)
        if not answer.accepted:
            raise Conflict(
                f"{operation_id} is not cancelled: {answer.reason}",
                code=answer.code,
                param="id",
            )
        for one in promoted:
            await self._begin(one)
        if not promoted and not operation.is_finished:
            await self._tell(operation_id, self._tell_of_cancel(operation, by))
        return answer

    async def _tell_of_cancel(self, operation: Operation, by: By) -> None:
        if operation.status == Status.NEEDS_ATTENTION:
            await run_requests.carry_out(self._pool, self._engine, operation.id)
        else:
            await self._engine.signal_cancel(operation.id, actor=by.actor, reason=by.reason)

    async def relaunch(
        self, operation_id: str, by: By, *, lane: int | None = None, also: Also = NOTHING_ELSE
    ) -> Relaunched:
        """Have an operation that got stuck go on, or do one that failed again, as a new one.

        One that needs attention goes on from the step it stopped at. One that failed or was
        cancelled, and is fully undone, is accepted once more under a new id; once only.

        Args:
            lane: Which of the kind's lanes carries a new one out; None: a workflow of its own.

        Raises:
            Conflict: `not_relaunchable`, `already_relaunched`.
            PerdureError: A new one is not accepted: not enough money, say.
        """

        async def change(connection: Connection, operation: Operation) -> Relaunched:
            if operation.is_finished:
                new = await self._accept_again(connection, operation, by, lane)
                return Relaunched(new, is_new=True)
            await self._go_on(connection, operation, by, "relaunched")
            return Relaunched(operation, is_new=False)

        done = await self._act(operation_id, Action.RELAUNCH, by, change, also)
        if done.is_new:
            await self._begin(done.operation)
            return done
        await self._tell(operation_id)
        return Relaunched(await store.get(self._pool, operation_id), is_new=False)

    async def _accept_again(
        self, connection: Connection, operation: Operation, by: By, lane: int | None
    ) -> Operation:
        kind = self._kind_of(operation)
        await store.check_not_erased(connection, operation.customer_id)
        new = await kind.accept_again(connection, operation, actor=by.actor, lane=lane)
        await store.link_relaunch(connection, operation, new)
        for about, action, data in (
            (operation, "relaunched", {"relaunched_as": new.id}),
            (new, "relaunch_accepted", {"relaunch_of": operation.id}),
        ):
            await store.note(
                connection,
                about,
                actor=by.actor,
                action=action,
                reason=by.reason,
                data=by.data | data,
            )
        return await store.get(connection, new.id)

    async def resume(self, operation_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Operation:
        """Have an operation that needs attention go on from the step it stopped at.

        As `relaunch`, for those who do not want a new operation.

        Raises:
            Conflict: `not_parked`.
        """

        async def change(connection: Connection, operation: Operation) -> None:
            if operation.status != Status.NEEDS_ATTENTION:
                raise Conflict(
                    f"{operation_id} is {operation.status}; only one that needs attention"
                    " is resumed.",
                    code="not_parked",
                )
            await self._go_on(connection, operation, by, "resumed")

        await self._act(operation_id, None, by, change, also)
        await self._tell(operation_id)
        return await store.get(self._pool, operation_id)

    async def refund(self, operation_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Operation:
        """Have what an operation took given back; returns the refund, also when asked for again.

        Raises:
            Conflict: `not_refundable`, or the provider's last word on it.
            Refused: Something beside the operation stands in the way: its account, say.
        """

        async def change(connection: Connection, operation: Operation) -> Operation:
            if operation.refunded_by is not None:
                return await store.get(connection, operation.refunded_by)
            assert self._refunds is not None, "refundable kinds come with a way to accept refunds"
            return await self._refunds.accept(connection, operation, by)

        refund = await self._act(operation_id, Action.REFUND, by, change, also)
        await self._begin(refund)
        return refund

    async def park(self, operation_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Operation:
        """Hold an operation before its next step, until it is released.

        The step under way is not cut short. One in a lane leaves it; nothing is begun for it. What
        a customer holds, the house may take over.

        Raises:
            Conflict: `not_parkable`, `already_parked`.
        """

        async def change(connection: Connection, operation: Operation) -> None:
            await promote(connection, {operation_id: "It is to be parked."})
            before = operation.park_request
            await connection.execute(
                "UPDATE operations SET park_request = $2 WHERE id = $1",
                operation_id,
                {
                    "actor": by.actor,
                    "reason": by.reason,
                    "requested_at": utc_now().isoformat(),
                    "status": before.status if before else operation.status,
                },
            )
            await store.move(
                connection,
                operation,
                Status.NEEDS_ATTENTION,
                action="parked",
                actor=by.actor,
                reason=by.reason,
                failure=Failure(PARKED_BY_OPERATOR, f"{by.actor} parked it: {by.reason}"),
                data=by.data or None,
            )

        await self._act(operation_id, Action.PARK, by, change, also)
        return await store.get(self._pool, operation_id)

    async def release(self, operation_id: str, by: By, *, also: Also = NOTHING_ELSE) -> Operation:
        """Have an operation go on that an operator parked.

        Raises:
            Conflict: `not_parked`, `being_undone`.
        """

        async def change(connection: Connection, operation: Operation) -> None:
            await self._go_on(connection, operation, by, "released")

        await self._act(operation_id, Action.RELEASE, by, change, also)
        await self._tell(operation_id)
        return await store.get(self._pool, operation_id)

    async def correct(
        self,
        operation_id: str,
        by: By,
        patch: Mapping[str, Any],
        *,
        go_on: bool = True,
        also: Also = NOTHING_ELSE,
    ) -> Operation:
        """Change what was asked for, of an operation that is parked.

        Finished steps stay done. The workflow is replaced by a new run with the new request.

        Args:
            patch: The fields that change; of a field that is an object, what is not named stays.
            go_on: False: it stays parked.

        Raises:
            Conflict: `not_parked`, `being_undone`.
            InvalidInput: `unknown_field`, `field_not_correctable`, `field_fixed`,
                `nothing_to_correct`, or what the kind says of a field; nothing is changed.
        """

        async def change(connection: Connection, operation: Operation) -> None:
            kind = self._kind_of(operation)
            correction = kind.correct(operation, patch)
            await check_not_fixed(connection, operation_id, correction, kind.correctable)
            await connection.execute(
                "WITH effects AS (UPDATE effects SET fingerprint = NULL WHERE operation_id = $1)"
                " UPDATE operations SET input = $2, updated_at = now(),"
                " original_request = coalesce(original_request, input->'request') WHERE id = $1",
                operation_id,
                operation.input | {"request": correction.request},
            )
            await run_requests.request_run(
                connection, operation_id, RunRequest.REPLACE, is_due=False
            )
            await store.note(
                connection,
                operation,
                actor=by.actor,
                action="corrected",
                reason=by.reason,
                data=by.data | {"before": correction.before, "after": correction.after},
            )
            if go_on:
                await self._go_on(connection, operation, by, "released")

        await self._act(operation_id, Action.CORRECT, by, change, also)
        if go_on:
            await self._tell(operation_id)
        return await store.get(self._pool, operation_id)

    async def _act(
        self,
        operation_id: str,
        action: Action | None,
        by: By,
        change: Callable[[Connection, Operation], Awaitable[Result]],
        also: Also,
    ) -> Result:
        """Run a change under the row's lock; a refusal undoes all of it, and is on the trail.

        Args:
            action: None: `change` itself looks whether the status allows it; it is resuming.
        """
        by.check()
        async with transaction(self._pool) as connection:
            await also.before(connection)
            operation = await store.lock(connection, operation_id)
            telemetry().link(operation.traceparent)
            try:
                async with connection.transaction():
                    if refusal := why_not(operation, action, self._refundable, side=by.side):
                        raise refusal
                    result = await change(connection, operation)
                    await also.after(connection, result)
                    return result
            except PerdureError as error:
                refused = error
                await note_refusal(
                    connection,
                    operation,
                    actor=by.actor,
                    action=action or "resume",
                    reason=error.message,
                    data=by.data | {"code": error.code, "asked": by.reason},
                )
                await also.refused(connection, error)
        raise refused

    async def _go_on(
        self, connection: Connection, operation: Operation, by: By, action: str
    ) -> None:
        """Have a parked operation go on once this commits: forward, or with undoing it."""
        await connection.execute(
            "UPDATE operations SET park_request = NULL WHERE id = $1", operation.id
        )
        await run_requests.request_run(connection, operation.id, RunRequest.RESUME)
        await store.move(
            connection,
            operation,
            status_to_go_on_in(operation),
            action=action,
            actor=by.actor,
            reason=by.reason,
            data=by.data or None,
        )

    async def _tell(self, operation_id: str, work: Awaitable[None] | None = None) -> None:
        """Tell the engine; what cannot be told now is told by the janitor."""
        work = work or run_requests.carry_out(self._pool, self._engine, operation_id)
        try:
            async with asyncio.timeout(TELL_TIMEOUT_S):
                await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the janitor tells it again
            log.warning("telling_postponed", operation_id=operation_id, error=repr(error))

    def _kind_of(self, operation: Operation) -> KindActions:
        if operation.kind not in self._kinds:
            raise Conflict(
                f"{operation.id} is a {operation.kind}: never corrected, and not done again.",
                code="not_supported",
                param="id",
            )
        return self._kinds[operation.kind]
