"""What people with access to Temporal do to workflows, behind our back."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.ids import new_id
from tests.polls import eventually


async def start_deleting(client: Client, workflow_id: str) -> None:
    """Have a workflow deleted with its history; one that runs is terminated at once.

    The server deletes it once it has written down how far it is, which takes it half a minute.
    """
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        )
    )


async def delete(client: Client, workflow_id: str) -> None:
    """Delete a workflow with its history, and wait until it is gone."""
    await start_deleting(client, workflow_id)
    handle = client.get_workflow_handle(workflow_id)

    async def is_gone() -> bool:
        try:
            await handle.describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return True
        return False

    await eventually(is_gone, within_s=110, pause_s=0.25)


async def reset_to_the_beginning(client: Client, workflow_id: str) -> None:
    """Have a running workflow begin again."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    first_task = next(
        event.event_id
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    )
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=history.run_id),
            reason="by hand",
            workflow_task_finish_event_id=first_task,
            request_id=new_id("req"),
        )
    )


async def terminate(client: Client, workflow_id: str) -> None:
    """End a workflow at once."""
    await client.get_workflow_handle(workflow_id).terminate("by hand")
