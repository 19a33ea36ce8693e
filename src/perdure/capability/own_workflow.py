"""What the own workflow of a kind does that waits for nobody."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from perdure.capability.contracts import End, FirstTry
from perdure.core.script import Runner, Step
from perdure.durable.first_tries import first_try
from perdure.durable.script import WorkflowRunner
from perdure.notifications.telling import tell_by_marker

Given = TypeVar("Given")


async def run_in_one_go(
    script: Callable[[Given, Runner], Awaitable[End]],
    whole: Step[Given, FirstTry],
    given: Given,
) -> End:
    """Run a script in one go if nothing is in the way, else step by step.

    Args:
        whole: The step that tries all of it.
        given: What the workflow is.
    """
    done = await first_try(whole.name, given, returns=FirstTry)
    if done is not None and done.end is not None:
        await tell_by_marker(done.untold)
        return done.end
    return await script(given, WorkflowRunner(tell_by_marker))
