"""What lanes' workflows say of themselves."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import ProviderUnavailable
from perdure.durable.lanes.contracts import PROGRESS, Lane, workflow_id
from perdure.durable.queues import LANES, QueueNames

_ANSWER_TIMEOUT: Final = timedelta(seconds=5)


class LaneReporting:
    """Queries lanes' workflows. What is left to do is in the database."""

    def __init__(self, client: Client, queues: QueueNames) -> None:
        self._client = client
        self._queues = queues

    async def progress(self, kind: str, number: int) -> Lane | None:
        """Return what a lane's workflow has done so far; None: it does not run.

        Raises:
            ProviderUnavailable: `workflow_not_answering`: no worker runs it now, or Temporal is
                away.
        """
        found = workflow_id(self._queues[LANES], kind, number)
        try:
            answer: Lane = await self._client.get_workflow_handle(found).query(
                PROGRESS,
                result_type=Lane,
                reject_condition=QueryRejectCondition.NOT_OPEN,
                rpc_timeout=_ANSWER_TIMEOUT,
            )
        except WorkflowQueryRejectedError:
            return None
        # A connection that was to open at the first call, and could not, is a RuntimeError.
        except (RPCError, RuntimeError, WorkflowQueryFailedError) as error:
            if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise ProviderUnavailable(
                f"The workflow {found} does not answer now; see that Temporal and a worker of the"
                " lanes run.",
                code="workflow_not_answering",
            ) from error
        return answer
