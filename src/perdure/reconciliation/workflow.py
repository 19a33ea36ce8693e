"""A reconciliation's workflow: batches of accounts, some at a time, and a pause between."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable import versions
    from perdure.durable.options import LANE_RUN
    from perdure.durable.scope import current_scope
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End
from perdure.core.errors import Conflict, OperationCancelled
from perdure.durable.queues import LANES
from perdure.reconciliation.contracts import (
    BEGIN,
    CLOSE,
    COMPARE,
    COMPARE_STRETCH,
    CUT,
    FINISH,
    LOAD_FOLDER,
    READ_BOOKS,
    STAGE,
    WORKFLOW,
    Batch,
    BatchEnd,
    Batches,
    Begun,
    Cut,
    ReadBooks,
    ReconciliationInput,
    ReconciliationProgress,
    Stage,
    Stretch,
    StretchEnd,
)

Result = TypeVar("Result")


@workflow.defn(name=WORKFLOW)
class ReconciliationWorkflow:
    """Compares the books of one day with what banks and providers say."""

    @workflow.init
    def __init__(self, given: ReconciliationInput) -> None:
        """Go on from where the run before this one was."""
        self._progress = given.progress or ReconciliationProgress()

    @workflow.run
    async def run(self, given: ReconciliationInput) -> End:
        """Gather what is compared, compare it, and tell of it."""
        asked = replace(given, progress=None, cutoff=None)
        try:
            cutoff = given.cutoff or await self._gather(asked)
            if not await self._compare(asked, cutoff):
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(replace(asked, progress=self._progress, cutoff=cutoff))
            end = await current_scope().database_step(FINISH, asked, returns=End)
        except (OperationCancelled, Conflict):
            # It was cancelled; or has ended, and this is a run too many, which returns that end.
            end = await current_scope().database_step(CLOSE, asked, returns=End, undoes=True)
        await tell(end.notification_ids)
        return end

    @workflow.query(name="progress")
    def progress(self) -> ReconciliationProgress:
        """Tell how far it is."""
        return self._progress

    async def _gather(self, given: ReconciliationInput) -> datetime:
        """Have all there that is compared; returns until when our entries are."""
        begun = await current_scope().database_step(BEGIN, given, returns=Begun)
        day = given.request.day
        await self._on_lanes(LOAD_FOLDER, given.operation_id, returns=int)
        for source in begun.sources:
            read = ReadBooks(given.operation_id, source, day)
            await self._on_lanes(READ_BOOKS, read, returns=int)
        stage = Stage(given.operation_id, begun.cutoff, begun.sources)
        await self._on_lanes(STAGE, stage, returns=int)
        return begun.cutoff

    async def _compare(self, given: ReconciliationInput, cutoff: datetime) -> bool:
        """Compare batch after batch; False: there are more than one run takes."""
        options, after = given.options, self._progress.after
        cut = Cut(given.operation_id, after, options.batch, options.run_batches)
        ends = (await self._on_lanes(CUT, cut, returns=Batches)).ends
        begins = [after, *ends[:-1]]
        if workflow.patched(versions.BATCHES_IN_STRETCHES):
            await self._compare_in_stretches(given, cutoff, begins, ends)
        else:
            for place in range(0, len(ends), options.at_once):
                some = slice(place, place + options.at_once)
                await self._compare_at_once(given, cutoff, begins[some], ends[some])
                await workflow.sleep(timedelta(seconds=options.pause_s))
        return len(ends) < options.run_batches

    async def _compare_in_stretches(
        self, given: ReconciliationInput, cutoff: datetime, begins: list[str], ends: list[str]
    ) -> None:
        """Compare batches, in as many rows as are compared at a time."""
        if not ends:
            return
        length = -(-len(ends) // given.options.at_once)
        await asyncio.gather(
            *(
                self._compare_row(given, cutoff, begins[place], ends[place : place + length])
                for place in range(0, len(ends), length)
            )
        )
        self._progress = replace(self._progress, after=ends[-1])

    async def _compare_row(
        self, given: ReconciliationInput, cutoff: datetime, after: str, ends: list[str]
    ) -> None:
        """Compare batches one after the other."""
        day, pause_s = given.request.day, given.options.pause_s
        while ends:
            stretch = Stretch(given.operation_id, day, cutoff, after, ends, pause_s)
            found = await self._on_lanes(COMPARE_STRETCH, stretch, returns=StretchEnd)
            after, ends = ends[found.batches - 1], ends[found.batches :]
            self._progress = replace(
                self._progress,
                accounts=self._progress.accounts + found.accounts,
                breaks=self._progress.breaks + found.breaks,
            )

    async def _compare_at_once(
        self, given: ReconciliationInput, cutoff: datetime, begins: list[str], ends: list[str]
    ) -> None:
        batches = [
            Batch(given.operation_id, given.request.day, cutoff, after, through)
            for after, through in zip(begins, ends, strict=True)
        ]
        found = await asyncio.gather(
            *(self._on_lanes(COMPARE, batch, returns=BatchEnd) for batch in batches)
        )
        self._progress = ReconciliationProgress(
            ends[-1],
            self._progress.accounts + sum(one.accounts for one in found),
            self._progress.breaks + sum(one.breaks for one in found),
        )

    async def _on_lanes(self, activity: str, given: object, *, returns: type[Result]) -> Result:
        """Run an activity where the floods are; what cannot be done parks the run."""
        scope = current_scope()

        def attempt() -> Awaitable[Result]:
            return scope.provider_step(
                activity, given, returns=returns, queue=LANES, profile=LANE_RUN
            )

        return await scope.insist(activity, attempt)
