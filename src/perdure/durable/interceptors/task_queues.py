"""Sends activities and child workflows to the queues as they are called in this installation.

In a queue customers take turns: one's ten thousand do not delay another's one.
"""

from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from perdure.durable.queues import QueueNames
from perdure.durable.search_attributes import CUSTOMER_ID


class TaskQueues(Interceptor):
    """Translates the queue names that workflows use."""

    def __init__(self, names: QueueNames) -> None:
        self._names = names

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type[WorkflowInboundInterceptor] | None:
        """Wrap the workflows."""
        names = self._names

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
                if input.task_queue is not None:
                    input.task_queue = names[input.task_queue]
                    customer_id = workflow.info().typed_search_attributes.get(CUSTOMER_ID)
                    input.priority = replace(input.priority, fairness_key=customer_id)
                return super().start_activity(input)

            async def start_child_workflow(
                self,
                input: StartChildWorkflowInput,  # noqa: A002
            ) -> workflow.ChildWorkflowHandle[Any, Any]:
                if input.task_queue is not None:
                    input.task_queue = names[input.task_queue]
                return await super().start_child_workflow(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound
