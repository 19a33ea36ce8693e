"""What a capability hands to the workers: per queue, its workflows and activities."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from perdure.core.errors import ConfigurationError
from perdure.core.script import Bodies, Body, CallStep, OwnStep, ScriptStep, Step, steps_of
from perdure.durable.interceptors.operation_sync import records_its_attempts, records_itself
from perdure.durable.queues import OPERATIONS, provider_queue


@dataclass(frozen=True, slots=True)
class Registration:
    """The work of one queue.

    Args:
        queue: What the queue is for, as in `durable.queues`; not its name at Temporal.
        beside: What else runs in the queue's workers, each until its event is set.
    """

    queue: str
    workflows: Sequence[type[Any]] = ()
    activities: Sequence[Callable[..., Any]] = ()
    beside: Sequence[Callable[[asyncio.Event], Awaitable[None]]] = ()

    @asynccontextmanager
    async def running_beside(self) -> AsyncIterator[None]:
        """Run what is beside the queue's work, and have it stop at the end."""
        stop = asyncio.Event()
        running = [asyncio.ensure_future(run(stop)) for run in self.beside]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running)


def registrations_of(
    script: Callable[..., Any],
    workflows: Sequence[type[Any]],
    bodies: Bodies,
    *,
    providers: Iterable[str],
) -> list[Registration]:
    """Return a kind's work: each step's body as the activity that the step names.

    Args:
        script: Beside which the kind's steps are declared.
        providers: Those its calls go to, as in their queues' names: each has a queue of its own, so
            that a slow one holds up no other.

    Raises:
        ConfigurationError: A step has no body.
    """
    bodies = {step: body for step, body in bodies.items() if not isinstance(step, OwnStep)}
    _check_complete(script, bodies)
    activities = {step: _activity_of(step, body) for step, body in bodies.items()}
    calls = [found for step, found in activities.items() if isinstance(step, CallStep)]
    ours = [found for step, found in activities.items() if not isinstance(step, CallStep)]
    return [
        Registration(OPERATIONS, workflows, ours),
        *(Registration(provider_queue(provider), activities=calls) for provider in providers),
    ]


def _check_complete(script: Callable[..., Any], bodies: Bodies) -> None:
    declared = {step.name for step in steps_of(script) if not isinstance(step, OwnStep)}
    if missing := declared - {step.name for step in bodies}:
        raise ConfigurationError(
            f"Nothing does the work of {', '.join(sorted(missing))}; give each step of"
            f" {script.__name__} a body."
        )


def _activity_of(step: ScriptStep[Any, Any], body: Body) -> Body:
    async def run(given: Any) -> Any:
        return await body(given)

    # What Temporal reads the types of its payloads from.
    run.__annotations__ = {"given": step.takes, "return": step.returns}
    # What commits on our database writes the attempt's row with it.
    if isinstance(step, Step) or records_itself(body):
        records_its_attempts(run)
    return activity.defn(name=step.name)(run)
