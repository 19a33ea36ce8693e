"""Follows a customer up a while after their onboarding, by a timer that Temporal keeps."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import DATABASE_STEP
    from perdure.notifications.telling import tell

from perdure.onboarding.contracts import FOLLOW_UP, FOLLOW_UP_WORKFLOW


@workflow.defn(name=FOLLOW_UP_WORKFLOW)
class FollowUpWorkflow:
    """Follows one customer up; it begins when that is due."""

    @workflow.run
    async def run(self, operation_id: str) -> bool:
        """Tell the customer; False: they have left."""
        owed = await workflow.execute_local_activity(
            FOLLOW_UP, operation_id, result_type=list[str], **DATABASE_STEP
        )
        await tell(owed)
        return bool(owed)
