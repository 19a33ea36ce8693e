"""What an operations worker needs of schedules."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.durable.queues import OPERATIONS
from perdure.durable.registration import Registration
from perdure.durable.schedules.contracts import BEGIN, Due
from perdure.durable.schedules.workflow import ScheduledWorkflow

Begin = Callable[[str, datetime], Awaitable[str]]
"""Takes the operation in that a time of a schedule asks for, and has it begun; returns its id."""


class ScheduleActivities:
    """Given what takes operations in."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    @activity.defn(name=BEGIN)
    @records_its_attempts
    async def begin(self, due: Due) -> str:
        """Take in the operation of one time; for a time that comes twice it is the same one."""
        return await self._begin(due.name, due.at)


def registration(begin: Begin) -> Registration:
    """Return the work of schedules."""
    return Registration(OPERATIONS, [ScheduledWorkflow], [ScheduleActivities(begin).begin])
