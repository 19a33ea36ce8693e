"""A saga over two account services, in the words that any kind is written in.

The source's money is at one service, the destination's at another: neither knows of the other, and
each may refuse, be away, or lose its answer.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.reversal import undo
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End, Failure, failure_of
from perdure.core.errors import PerdureError
from perdure.core.script import CallStep, Reversal, Runner, Step, not_reached
from perdure.trades.contracts import MoneyResolution, Moved

SOURCE: Final = "source"
DESTINATION: Final = "destination"


@dataclass(frozen=True, slots=True)
class MoveInput:
    """Whose money goes where."""

    operation_id: str
    payer: str
    payee: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CloseMove:
    """Why it came to nothing."""

    move: MoveInput
    failure: Failure


RESOLVE_DEBIT: Final = CallStep(
    "move.resolve_debit", MoveInput, MoneyResolution, provider=lambda _: SOURCE, inquires=True
)
DEBIT: Final = CallStep(
    "move.debit",
    MoveInput,
    Moved,
    provider=lambda _: SOURCE,
    resolve=RESOLVE_DEBIT,
    found=attrgetter("transfer"),
    not_made=not_reached("The source", "source_unavailable"),
)
RESOLVE_CREDIT: Final = CallStep(
    "move.resolve_credit",
    MoveInput,
    MoneyResolution,
    provider=lambda _: DESTINATION,
    inquires=True,
)
CREDIT: Final = CallStep(
    "move.credit",
    MoveInput,
    Moved,
    provider=lambda _: DESTINATION,
    resolve=RESOLVE_CREDIT,
    found=attrgetter("transfer"),
    not_made=not_reached("The destination", "destination_unavailable"),
)
SETTLE: Final = Step("move.settle", MoveInput, End)
RETURN_DEBIT: Final = CallStep(
    "move.return_debit", MoveInput, MoneyResolution, provider=lambda _: SOURCE, undoes=DEBIT
)
TAKE_BACK_CREDIT: Final = CallStep(
    "move.take_back_credit",
    MoveInput,
    MoneyResolution,
    provider=lambda _: DESTINATION,
    undoes=CREDIT,
)
REVERSE: Final = Reversal(
    "move.reverse",
    MoveInput,
    MoneyResolution,
    workflow="MoveReversal",
    undoing=(RETURN_DEBIT, TAKE_BACK_CREDIT),
)
CLOSE: Final = Step("move.close", CloseMove, End, undoes=True)


async def run_move(move: MoveInput, steps: Runner) -> End:
    """Debit the source, credit the destination; or undo, in reverse, what was begun."""
    try:
        await steps.run(DEBIT, move)
        await steps.run(CREDIT, move)
        return await steps.run(SETTLE, move)
    except PerdureError as error:
        await steps.run(REVERSE, move)
        return await steps.run(CLOSE, CloseMove(move, failure_of(error)))


@workflow.defn(name="Move")
class MoveWorkflow:
    """Carries one to its end."""

    @workflow.run
    async def run(self, move: MoveInput) -> End:
        return await run_move(move, WorkflowRunner(tell))


@workflow.defn(name="MoveReversal")
class MoveReversalWorkflow:
    """Undoes one."""

    @workflow.run
    async def run(self, move: MoveInput) -> MoneyResolution:
        return await undo(REVERSE, move)
