"""Having a workflow that ended go on from before its last activity, as Temporal's reset does.

What it repeats is harmless: steps return what they stored, and calls are found out about first.
"""

import json
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.ids import REQUEST, new_id
from perdure.durable.scope import PARK, REQUEST_CANCEL

_BOOKKEEPING: Final = frozenset({PARK, REQUEST_CANCEL})
"""Activities that tell the row what happened: what led to them comes before."""

_LOCAL_ACTIVITY: Final = "core_local_activity"
_REFUSED: Final = frozenset(
    {
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


async def reset_before_last_activity(client: Client, workflow_id: str, *, reason: str) -> bool:
    """Reset a workflow's latest run; False: it has no history, no activity, or it is refused.

    Signals that came later are sent again.
    """
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
        handle = client.get_workflow_handle(workflow_id, run_id=description.run_id)
        event_id: int | None = None
        async for event in handle.fetch_history_events():
            event_id = _task_that_began_an_activity(event) or event_id
        if event_id is None:
            return False
        await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=workflow_id, run_id=description.run_id
                ),
                reason=reason,
                workflow_task_finish_event_id=event_id,
                request_id=new_id(REQUEST),
                reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
            )
        )
    except RPCError as error:
        if error.status in _REFUSED:
            return False
        raise
    return True


def _task_that_began_an_activity(event: HistoryEvent) -> int | None:
    """Return the workflow task that the event's activity came of; None: it is no such event."""
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != _LOCAL_ACTIVITY:
        return None
    about: dict[str, Any] = json.loads(marker.details["data"].payloads[0].data)
    if about["activity_type"] in _BOOKKEEPING:
        return None
    return marker.workflow_task_completed_event_id
