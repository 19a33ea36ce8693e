"""Calling a quick provider where the workflow runs, before its queue is troubled.

It spares the engine's part in a step: a task, a worker's poll, and the workflow's next turn.
"""

from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

from perdure.core.errors import ANSWERS
from perdure.durable.failures import to_domain_error
from perdure.durable.options import FIRST_TRY

Result = TypeVar("Result")


async def first_try(activity: str, given: Any, *, returns: type[Result]) -> Result | None:
    """Run an activity once in this worker; None: it broke down, or found no time.

    Raises:
        Refused, InvalidInput, NotFound, Conflict: The activity's answer.
    """
    try:
        result: Result = await workflow.execute_local_activity(
            activity, given, result_type=returns, **FIRST_TRY
        )
    except FailureError as error:
        found = to_domain_error(error)
        if isinstance(found, ANSWERS):
            raise found from error
        return None
    return result
