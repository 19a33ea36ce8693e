"""A lane as the runner of a script: the same bodies, called directly.

What undoes or closes, or has to be looked at by a person, is left to the operation's own workflow.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, cast

from perdure.core.errors import PerdureError
from perdure.core.script import (
    Bodies,
    Body,
    CallStep,
    Given,
    OwnStep,
    Result,
    Reversal,
    Runner,
    ScriptStep,
    Step,
)
from perdure.limits.permits import PermitFor
from perdure.operations.first_tries import FirstTries
from perdure.operations.joined import joined, joined_commits
from perdure.operations.lanes.steps import Postponed, Promoted, lane_step, provider_lane_step
from perdure.operations.steps import from_json


class ScriptInput(Protocol):
    """What a script is given."""

    @property
    def operation_id(self) -> str: ...  # noqa: D102


Input = TypeVar("Input", bound=ScriptInput)
Deliver = Callable[[list[str]], Awaitable[list[str]]]


class LaneScript(Generic[Input]):
    """Carries operations of a kind through its script in a lane.

    Args:
        takes: The type of the script's input.
        bodies: What does the work of its steps. That of an `OwnStep` raises what `lane_step` does.
        deliver: Delivers messages; returns those that are left to the notification service.
        permit: Lets a step at a provider begin.
    """

    def __init__(
        self,
        script: Callable[[Input, Runner], Awaitable[object]],
        takes: type[Input],
        bodies: Bodies,
        *,
        deliver: Deliver,
        permit: PermitFor,
    ) -> None:
        self._script = script
        self._takes = takes
        self._runner = _LaneRunner(bodies, deliver, permit)

    async def run(self, operation_id: str, given: dict[str, Any]) -> None:
        """Carry an operation to its end.

        Raises:
            Promoted, Postponed: It cannot go on here, or not now.
        """
        found = from_json(self._takes, given)
        assert found.operation_id == operation_id
        async with joined_commits(operation_id):
            await self._script(found, self._runner)


def script_first_try(
    script: Callable[[Input, Runner], Awaitable[object]],
    returns: Callable[..., object],
    bodies: Bodies,
    *,
    deliver: Deliver,
    permit: PermitFor,
    first_tries: FirstTries,
) -> Body:
    """Return the body of a step that carries a whole script out where its own workflow runs.

    Each step commits by itself, and is found done if it runs again. Most operations meet nothing to
    wait for, and are spared the engine's part in each step.

    Args:
        returns: Makes the step's result of the script's end and of the messages that could not be
            delivered on the way; of nothing, if something is in the way.
        permit: Lets a step at a provider begin, if it may at once.
        first_tries: Says whether the provider is quick enough to be called here.
    """

    async def run(given: Input) -> object:
        if not first_tries.may_begin():
            return returns()
        untold: list[str] = []

        async def deliver_now(notification_ids: list[str]) -> list[str]:
            untold.extend(await deliver(notification_ids))
            return untold

        try:
            async with joined_commits(given.operation_id):
                end = await script(given, _LaneRunner(bodies, deliver_now, permit))
        except (Promoted, Postponed):
            return returns()
        return returns(end, untold)

    return run


class _LaneRunner:
    def __init__(self, bodies: Bodies, deliver: Deliver, permit: PermitFor) -> None:
        self._bodies = bodies
        self._deliver = deliver
        self._permit = permit

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        if isinstance(step, Reversal) or (isinstance(step, Step | CallStep) and step.undoes):
            raise Promoted(_left(step))
        body: Callable[[Given], Awaitable[Result]] = self._bodies[step]
        if isinstance(step, CallStep):
            # What was put off goes along with its intent.
            await joined().write_answer()
            async with provider_lane_step(step.row_name, step.provider(given), self._permit):
                return await body(given)
        if isinstance(step, OwnStep):
            await joined().write()
            return await body(given)
        # An answer goes along with it.
        await joined().do_step()

        async def run() -> Result:
            with lane_step(step.row_name):
                return await body(given)

        if isinstance(step, Step) and step.leads_to_call and joined().put_off_step(run):
            return cast("Result", None)
        return await run()

    async def run_until(
        self, call: CallStep[Given, Result], _: Given, __: Callable[[Result], None]
    ) -> Result:
        raise Promoted(_left(call))

    async def tell(self, notification_ids: list[str]) -> None:
        await joined().write()
        await self._deliver(notification_ids)


def _left(step: ScriptStep[Any, Any]) -> str:
    """Return why a step is left to the operation's own workflow."""
    error = sys.exception()
    why = error.message if isinstance(error, PerdureError) else "It is left to its own workflow."
    return f"{step.row_name}: {why}"
