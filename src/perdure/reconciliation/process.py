"""The steps of a reconciliation and of a break."""

from typing import Final

from perdure.capability.contracts import End
from perdure.core.errors import OperationCancelled
from perdure.core.script import Runner, Step
from perdure.reconciliation.contracts import BreakInput

RESOLVE: Final = Step("reconciliation_break.resolve", BreakInput, End)
CLOSE: Final = Step("reconciliation_break.close", BreakInput, End, undoes=True)


async def run_break(given: BreakInput, steps: Runner) -> End:
    """Resolve a break as a person has said; one that was cancelled is dismissed."""
    try:
        return await steps.run(RESOLVE, given)
    except OperationCancelled:
        return await steps.run(CLOSE, given)
