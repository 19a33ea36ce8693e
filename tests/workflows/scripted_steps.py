"""Kinds whose every step is a script's: told by the steps' names and types, and by the queues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from perdure.core.script import ScriptStep
from perdure.durable.queues import NOTIFICATIONS, OPERATIONS, QueueNames

from .script import Script

Steps = Mapping[str, Sequence[ScriptStep[Any, Any]]]
"""Activities' names and types, by the queue where they are taken."""


@dataclass(frozen=True)
class ScriptedKind:
    """What runs, and what it meets.

    Args:
        name: The workflow's, at Temporal.
        begin: The id and the input of a new run.
        steps: Beside what is told, called off and parked, as all kinds have it.
        answers: What they answer where a test sets nothing else.
    """

    workflow: type
    name: str
    begin: Callable[..., tuple[str, Any]]
    steps: Steps
    answers: Mapping[str, Any]


@dataclass
class ScriptedSteps(Script):
    """A kind's steps; they answer what is set."""

    steps: Steps = field(default_factory=dict)

    def activities_of(self, queue: str) -> list[Callable[..., Any]]:
        of_all = {OPERATIONS: self.of_all_kinds(), NOTIFICATIONS: [self.deliver]}
        return [*map(self._activity, self.steps.get(queue, ())), *of_all.get(queue, ())]

    def _activity(self, step: ScriptStep[Any, Any]) -> Callable[..., Any]:
        async def run(given: Any) -> Any:
            return self.answer(step.name, given)

        run.__annotations__ = {"given": step.takes, "return": step.returns}
        return activity.defn(name=step.name)(run)


@dataclass
class StepsScenario:
    """Starts runs of a kind in a scripted world."""

    client: Client
    queues: QueueNames
    world: ScriptedSteps
    kind: ScriptedKind

    async def start(self, **how: Any) -> WorkflowHandle[Any, Any]:
        """Begin a run.

        Args:
            how: As the kind takes it.
        """
        workflow_id, given = self.kind.begin(**how)
        return await self.client.start_workflow(
            self.kind.name,
            given,
            id=workflow_id,
            task_queue=self.queues[OPERATIONS],
            execution_timeout=timedelta(seconds=60),
        )
