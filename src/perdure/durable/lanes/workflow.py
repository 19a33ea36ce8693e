"""A lane: one workflow for a flood of operations, stretch after stretch.

What is left to do is in the database; the workflow only sees to it that somebody is doing it.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import LANE_RUN

from perdure.durable import versions
from perdure.durable.lanes.contracts import MORE, PROGRESS, RUN, WORKFLOW, Lane, LaneStretch

_IDLE: Final = timedelta(seconds=30)
_STRETCHES_MAX: Final = 200
"""In one run of the workflow, so that its history stays short."""


@workflow.defn(name=WORKFLOW)
class LaneWorkflow:
    """Drives one lane until it has been empty for a while."""

    @workflow.init
    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._more = False
        self._asks_for_length = workflow.patched(versions.LANE_HISTORY)

    @workflow.run
    async def run(self, lane: Lane) -> Lane:  # noqa: ARG002 - kept by the constructor
        """Run stretch after stretch; returns what the lane did."""
        stretches = 0
        while True:
            stretches += 1
            if stretches > _STRETCHES_MAX or (self._asks_for_length and _history_is_long()):
                workflow.continue_as_new(self._lane)
            self._more = False
            stretch: LaneStretch = await workflow.execute_activity(
                RUN, self._lane, result_type=LaneStretch, **LANE_RUN
            )
            self._lane = replace(
                self._lane,
                done=self._lane.done + stretch.done,
                promoted=self._lane.promoted + stretch.promoted,
            )
            if stretch.is_empty and not await self._hears_of_more():
                return self._lane

    async def _hears_of_more(self) -> bool:
        try:
            await workflow.wait_condition(lambda: self._more, timeout=_IDLE)
        except TimeoutError:
            # A signal that comes while the lane is ending has it look once more.
            return self._more
        return True

    @workflow.signal(name=MORE)
    def on_more(self) -> None:
        """Hear that operations were added."""
        self._more = True

    @workflow.query(name=PROGRESS)
    def progress(self) -> Lane:
        """Answer what the lane did so far."""
        return self._lane


def _history_is_long() -> bool:
    # While a stretch runs, each that accepts operations signals once a second.
    return workflow.info().is_continue_as_new_suggested()
