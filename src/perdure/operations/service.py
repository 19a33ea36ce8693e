"""The one way in: start, get and list operations of any kind, and act on them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from perdure.core.errors import Conflict
from perdure.core.gears import Gear
from perdure.operations import reporting, store
from perdure.operations.actions import OperatorActions
from perdure.operations.cancellation import CancelAnswer
from perdure.operations.engine import Engine
from perdure.operations.kinds import KindActions
from perdure.operations.lanes.bell import LaneBell
from perdure.operations.lanes.calls import LaneCalls
from perdure.operations.lanes.store import gear_of
from perdure.operations.model import By, Failure, Operation, Status, StepAttempt, TrailEntry
from perdure.operations.refunding import Refunds
from perdure.operations.reporting import OperationReport, TimelineCursor
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool, transaction
from perdure.storage.row_security import seen

log = structlog.get_logger()

LAUNCH_TIMEOUT_S: Final = 5.0
"""Longer than any start that works: an engine that hangs holds up neither a caller nor a file."""


class OperationService:
    """Starts and shows operations for the API, the CLI and the console.

    Who asks with a customer's key is shown that customer's, by the database.

    Args:
        kinds: What each kind offers to be corrected and relaunched, by name.
        refunds: What can be refunded; None: nothing.

    Attributes:
        actions: What can be done to one operation.
    """

    def __init__(
        self,
        pool: Pool,
        engine: Engine,
        kinds: Mapping[str, KindActions] | None = None,
        refunds: Refunds | None = None,
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._lane_calls = LaneCalls(pool)
        self._bell = LaneBell(self._run_lane)
        self._started: GroupCommit[str, None] = GroupCommit(self._mark_started)
        self.actions = OperatorActions(pool, engine, kinds or {}, self.begin, refunds)

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
            return
        gear = gear_of(operation.lane)
        if operation.is_finished or gear == Gear.ELSEWHERE:
            return
        # The workers that are there drive the interactive lanes; there is no workflow to wake.
        if gear == Gear.INTERACTIVE:
            await self._lane_calls.call(Gear.INTERACTIVE, operation.lane)
        else:
            await self.call_lane(operation.kind, operation.lane)

    async def call_lane(self, kind: str, number: int) -> None:
        """Have a flood's lane run, and hear that there is more."""
        await self._lane_calls.call(kind, number)
        await self._bell.ring(kind, number)

    async def close(self) -> None:
        """Give up what was to be told later; the janitor sees to it."""
        await self._bell.close()

    async def get(self, operation_id: str) -> Operation:
        """Return an operation.

        Raises:
            NotFound: There is none of this id.
        """
        async with seen(self._pool) as connection:
            return await store.get(connection, operation_id)

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
        async with seen(self._pool) as connection:
            return await store.find(
                connection,
                kind=kind,
                status=status,
                customer_id=customer_id,
                reference=reference,
                starting_after=starting_after,
                ending_before=ending_before,
                limit=limit,
            )

    async def statuses(
        self, operation_ids: Sequence[str]
    ) -> dict[str, tuple[Status, Failure | None]]:
        """Return where operations stand, and why, by id; those there are none of are left out."""
        return await reporting.statuses(self._pool, operation_ids)

    async def trail(self, operation_id: str, *, after_id: int = 0) -> list[TrailEntry]:
        """Return who did what to the operation, oldest first."""
        async with seen(self._pool) as connection:
            return await reporting.trail(connection, operation_id, after_id=after_id)

    async def step_attempts(self, operation_id: str) -> list[StepAttempt]:
        """Return each attempt at each step, oldest first."""
        async with seen(self._pool) as connection:
            return await reporting.step_attempts(connection, operation_id)

    async def timeline(
        self, operation_id: str, *, after: TimelineCursor | None = None, limit: int
    ) -> list[TrailEntry | StepAttempt]:
        """Return trail and attempts by time, oldest first, at most `limit` beyond the cursor."""
        async with seen(self._pool) as connection:
            return await reporting.timeline(connection, operation_id, after=after, limit=limit)

    async def report(self, operation_id: str) -> OperationReport:
        """Return all that is known of an operation, as of one moment.

        Raises:
            NotFound: There is none of this id.
        """
        return await reporting.report(self._pool, operation_id)

    async def cancel(self, operation_id: str, *, actor: str, reason: str) -> CancelAnswer:
        """Ask an operation to stop; as `OperatorActions.cancel`, but a no is an answer too.

        Raises:
            NotFound: There is none of this id.
            InvalidInput: `reason_required`.
        """
        try:
            return await self.actions.cancel(operation_id, By(actor, reason))
        except Conflict as error:
            return CancelAnswer(accepted=False, reason=error.message)

    async def resume(self, operation_id: str, *, actor: str, reason: str) -> None:
        """Have an operation that needs attention go on; as `OperatorActions.resume`.

        Raises:
            NotFound: There is none of this id.
            Conflict: It does not need attention.
            InvalidInput: `reason_required`.
        """
        await self.actions.resume(operation_id, By(actor, reason))
