"""What a schedule starts: it has the operation of its time taken in, and ends."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import DATABASE_STEP

from perdure.durable.schedules.contracts import BEGIN, WORKFLOW, Due, Scheduled

_DUE_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name=WORKFLOW)
class ScheduledWorkflow:
    """One time of a schedule."""

    @workflow.run
    async def run(self, scheduled: Scheduled) -> str:
        """Have the operation taken in; returns its id. The database is waited for."""
        # The time it was due, however late it starts: it decides what the operation is about.
        due_at = workflow.info().typed_search_attributes.get(_DUE_AT) or workflow.now()
        operation_id: str = await workflow.execute_local_activity(
            BEGIN, Due(scheduled.name, due_at), result_type=str, **DATABASE_STEP
        )
        return operation_id
