"""What the workflow does that undoes an operation: its calls in reverse, each until it is done.

A child of the operation's own workflow. What it does is among the operation's steps; one that
cannot be done parks the operation, and goes on from there once that is resumed.
"""

from typing import Any, TypeVar

from temporalio import workflow

from perdure.core.script import CallStep, Given, Reversal
from perdure.durable.operation_ids import operation_of
from perdure.durable.scope import BEGIN_REVERSAL, RESUME, ReversalBegun, open_scope
from perdure.durable.script import WorkflowRunner

Result = TypeVar("Result")


async def undo(reversal: Reversal[Given, Result], given: Given) -> Result:
    """Undo what was begun, the latest first; returns what `unless` found, or nothing."""
    operation_id = operation_of(workflow.info().workflow_id)
    assert operation_id is not None, f"{workflow.info().workflow_id} is no operation's"
    scope = open_scope(operation_id)
    workflow.set_signal_handler(RESUME, scope.resume)
    begun = await scope.database_step(
        BEGIN_REVERSAL, operation_id, returns=ReversalBegun, undoes=True
    )
    steps = WorkflowRunner(_tells_nobody)
    nothing = reversal.returns()
    if (unless := reversal.unless) is not None and _is_begun(unless, begun):
        found = await steps.run(unless, given)
        if found != nothing:
            return found
    for call in reversed(reversal.undoing):
        if _is_begun(call, begun):
            await steps.run(call, given)
    return nothing


def _is_begun(undoing: CallStep[Any, Any], begun: ReversalBegun) -> bool:
    return undoing.undoes is not None and undoing.undoes.row_name in begun.steps


async def _tells_nobody(_: list[str]) -> None: ...
