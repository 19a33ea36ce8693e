"""Goes on trying to deliver a message whose operation is over."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import NOTIFY_LATER

from perdure.notifications.contracts import DELIVER, WORKFLOW


@workflow.defn(name=WORKFLOW)
class NotificationWorkflow:
    """Delivers one message, for a week."""

    @workflow.run
    async def run(self, notification_id: str) -> None:
        """Try until it is delivered, or refused for good."""
        await workflow.execute_activity(DELIVER, notification_id, **NOTIFY_LATER)
