"""Temporal as the engine of operations."""

from datetime import UTC, datetime
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.telemetry import telemetry
from perdure.durable.interceptors.cancellation import CANCEL
from perdure.durable.lanes import contracts as lanes
from perdure.durable.operation_ids import is_operation
from perdure.durable.options import BEHIND_INTERACTIVE
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.reset import reset_before_last_activity
from perdure.durable.scope import RESUME, CancelCall
from perdure.durable.search_attributes import of_operation
from perdure.operations.engine import RunState
from perdure.operations.kinds import OperationKinds
from perdure.operations.model import Operation

_STATES: Final = {
    WorkflowExecutionStatus.RUNNING: RunState.RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunState.RUNNING,
    WorkflowExecutionStatus.COMPLETED: RunState.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunState.FAILED,
    WorkflowExecutionStatus.CANCELED: RunState.CANCELED,
    WorkflowExecutionStatus.TERMINATED: RunState.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT: RunState.TIMED_OUT,
}


class TemporalEngine:
    """Starts and tells workflows; a workflow's id is its operation's."""

    def __init__(self, client: Client, kinds: OperationKinds, queues: QueueNames) -> None:
        self._client = client
        self._kinds = kinds
        self._queues = queues
        self.kinds = frozenset(kinds.names)

    async def start(self, operation: Operation, *, again: bool = False) -> bool:
        """Start the operation's workflow; False if there is one already."""
        reuse = WorkflowIDReusePolicy
        try:
            with telemetry().following(operation.traceparent):
                await self._client.start_workflow(
                    self._kinds[operation.kind].workflow,
                    operation.input,
                    id=operation.id,
                    task_queue=self._queues[OPERATIONS],
                    id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=of_operation(operation.kind, operation.customer_id),
                    request_eager_start=True,
                )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def replace(self, operation: Operation) -> None:
        """Start the operation's workflow, ending one that runs."""
        with telemetry().following(operation.traceparent):
            await self._client.start_workflow(
                self._kinds[operation.kind].workflow,
                operation.input,
                id=operation.id,
                task_queue=self._queues[OPERATIONS],
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
                search_attributes=of_operation(operation.kind, operation.customer_id),
            )

    async def reset(self, operation_id: str, *, reason: str) -> bool:
        """Have a workflow that ended go on from before its last activity."""
        return await reset_before_last_activity(self._client, operation_id, reason=reason)

    async def run_lane(self, kind: str, lane: int) -> None:
        """Have a lane's workflow run, and hear that there is something to do in it."""
        # It is nobody's own: each of its operations is part of its own trace.
        with telemetry().following(None):
            await self._client.start_workflow(
                lanes.WORKFLOW,
                lanes.Lane(kind, lane),
                id=lanes.workflow_id(self._queues[LANES], kind, lane),
                task_queue=self._queues[LANES],
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                # With the start, so that a lane that is just ending hears of it.
                start_signal=lanes.MORE,
                priority=Priority(priority_key=BEHIND_INTERACTIVE),
            )

    async def lane_state(self, kind: str, lane: int) -> RunState:
        """Tell how a lane's workflow stands."""
        return await self.run_state(lanes.workflow_id(self._queues[LANES], kind, lane))

    async def signal_cancel(self, operation_id: str, *, actor: str, reason: str) -> None:
        """Wake the workflow: a request to cancel is on its row."""
        await self._signal(operation_id, CANCEL, CancelCall(actor, reason))

    async def signal_resume(self, operation_id: str) -> None:
        """Have a parked workflow try its step again."""
        await self._signal(operation_id, RESUME)

    async def signal(self, operation_id: str, name: str, argument: object) -> bool:
        """Send a capability's own signal; False: the workflow is gone."""
        return await self._signal(operation_id, name, argument)

    async def _signal(self, operation_id: str, name: str, *arguments: object) -> bool:
        handle = self._client.get_workflow_handle(operation_id)
        try:
            await handle.signal(name, args=arguments)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def run_state(self, operation_id: str) -> RunState:
        """Tell how the operation's latest run stands."""
        try:
            description = await self._client.get_workflow_handle(operation_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return RunState.ABSENT
            raise
        assert description.status is not None
        # One that is not among these states (paused, say) has not ended.
        return _STATES.get(description.status, RunState.RUNNING)

    async def broken_off_since(self, moment: datetime) -> list[str]:
        """Return the operations whose workflow ended after a moment other than by completing."""
        workflows = ", ".join(f"'{name}'" for name in self._kinds.workflows)
        query = (
            f"WorkflowType IN ({workflows}) AND CloseTime > '{moment.astimezone(UTC).isoformat()}'"
            " AND ExecutionStatus IN ('Failed', 'Canceled', 'Terminated', 'TimedOut')"
        )
        return [
            found.id async for found in self._client.list_workflows(query) if is_operation(found.id)
        ]
