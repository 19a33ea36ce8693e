"""The one way in: start, get, list, cancel and resume operations of any kind."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from perdure.core.errors import Conflict
from perdure.operations import cancellation, lanes, store
from perdure.operations.cancellation import CancelAnswer
from perdure.operations.engine import Engine
from perdure.operations.lane_bell import LaneBell
from perdure.operations.model import Operation, Status, StepAttempt, TrailEntry
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

LAUNCH_TIMEOUT_S: Final = 5.0
"""Longer than any start that works: an engine that hangs holds up neither a caller nor a file."""


class OperationService:
    """Acts on operations for the API, the CLI and the console."""

    def __init__(self, pool: Pool, engine: Engine) -> None:
        self._pool = pool
        self._engine = engine
        self._bell = LaneBell(self._run_lane)
        self._started: GroupCommit[str, None] = GroupCommit(self._mark_started)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction in which to accept operations, with what else must commit with them."""
        async with transaction(self._pool) as connection:
            yield connection

    async def launch(self, operation: Operation) -> None:
        """Start an accepted operation's workflow.

        An engine that cannot be reached, or hangs, is no error: the operation is accepted, and the
        janitor starts what was not.
        """
        started = operation.workflow_started_at is not None or operation.lane is not None
        if operation.is_finished or started:
            return
        try:
            async with asyncio.timeout(LAUNCH_TIMEOUT_S):
                await self._engine.start(operation)
        except Exception as error:  # noqa: BLE001 - whatever it is, the janitor tries again
            log.warning("start_postponed", operation_id=operation.id, error=repr(error))
            return
        await self._started.submit(operation.id)

    async def _mark_started(self, operation_ids: list[str]) -> Sequence[None]:
        await store.mark_started(self._pool, operation_ids)
        return [None] * len(operation_ids)

    async def run_lanes(self, kind: str, numbers: Iterable[int]) -> None:
        """Have lanes run in which operations were accepted.

        As with `launch`, an engine that cannot be reached is no error: the janitor sees to it.
        """
        for number in numbers:
            await self._run_lane(kind, number)

    async def _run_lane(self, kind: str, number: int) -> None:
        try:
            async with asyncio.timeout(LAUNCH_TIMEOUT_S):
                await self._engine.run_lane(kind, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the janitor tries again
            log.warning("lane_start_postponed", kind=kind, lane=number, error=repr(error))

    async def begin(self, operation: Operation) -> None:
        """Have an accepted operation carried out: by its lane, or by a workflow of its own."""
        if operation.lane is None:
            await self.launch(operation)
        elif not operation.is_finished:
            await self._bell.ring(operation.kind, operation.lane)

    async def get(self, operation_id: str) -> Operation:
        """Return an operation.

        Raises:
            NotFound: There is none of this id.
        """
        return await store.get(self._pool, operation_id)

    async def find(
        self,
        *,
        kind: str | None = None,
        status: Status | None = None,
        customer_id: str | None = None,
        reference: str | None = None,
        starting_after: str | None = None,
        ending_before: str | None = None,
        limit: int = 10,
    ) -> list[Operation]:
        """Return operations, newest first, at most `limit` beyond the cursor."""
        return await store.find(
            self._pool,
            kind=kind,
            status=status,
            customer_id=customer_id,
            reference=reference,
            starting_after=starting_after,
            ending_before=ending_before,
            limit=limit,
        )

    async def trail(self, operation_id: str, *, after_id: int = 0) -> list[TrailEntry]:
        """Return who did what to the operation, oldest first."""
        return await store.trail(self._pool, operation_id, after_id=after_id)

    async def step_attempts(self, operation_id: str) -> list[StepAttempt]:
        """Return each attempt at each step, oldest first."""
        return await store.step_attempts(self._pool, operation_id)

    async def cancel(self, operation_id: str, *, actor: str, reason: str) -> CancelAnswer:
        """Ask an operation to stop, and have what it did undone.

        The request is on the row before the workflow is told, so a lost signal loses nothing.

        Raises:
            NotFound: There is none of this id.
        """
        async with transaction(self._pool) as connection:
            answer = await cancellation.request_cancel(
                connection, operation_id, actor=actor, reason=reason
            )
            # A lane does not undo: its own workflow does.
            promoted = (
                await lanes.promote(connection, {operation_id: "It is to be cancelled."})
                if answer.accepted
                else []
            )
        for operation in promoted:
            await self.launch(operation)
        if answer.accepted and not promoted:
            try:
                # One that is parked may have no workflow left to tell: a new run does the undoing.
                operation = await self.get(operation_id)
                parked = operation.status == Status.NEEDS_ATTENTION
                if not (parked and await self._restart(operation)):
                    await self._engine.signal_cancel(operation_id, actor=actor, reason=reason)
            except Exception as error:  # noqa: BLE001 - the janitor tells it again
                log.warning("cancel_signal_postponed", operation_id=operation_id, error=str(error))
        return answer

    async def resume(self, operation_id: str, *, actor: str, reason: str) -> None:
        """Have an operation that needs attention go on from the step it stopped at.

        Raises:
            NotFound: There is none of this id.
            Conflict: It does not need attention.
        """
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            if operation.status != Status.NEEDS_ATTENTION:
                raise Conflict(
                    f"{operation_id} is {operation.status}; only one that needs attention"
                    " is resumed.",
                    code="not_parked",
                )
            # Told while the row is held: if the engine is away nothing has changed, and what it
            # begins waits for the row to say so.
            if not await self._restart(operation):
                await self._engine.signal_resume(operation_id)
            await store.move(
                connection,
                operation,
                Status.PROCESSING,
                action="resumed",
                actor=actor,
                reason=reason,
            )

    async def _restart(self, operation: Operation) -> bool:
        """Begin a workflow that ended anew.

        Its finished steps return what they stored. False: it is running.
        """
        return await self._engine.start(operation, again=True)
