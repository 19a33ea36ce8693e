"""What Perdure would have done of what the old system carried out, and where both differ. Pure.

A kind's own script is rehearsed: each call is answered as the old system was answered, and nothing
happens outside. What comes of that is a `Course`, and so is what the old system did, read from what
it wrote.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from perdure.core.errors import OperationCancelled, Refused
from perdure.core.script import (
    Bodies,
    CallStep,
    Given,
    Result,
    Reversal,
    ScriptStep,
)
from perdure.ledger.model import NewTransfer
from perdure.notifications.contracts import Message
from perdure.operations.model import Operation
from perdure.operations.steps import from_json
from perdure.operations.waiting import TRIES_MAX


class Difference(StrEnum):
    """Why what Perdure would have done is not what was done."""

    PLAN = "plan"
    CALLS = "calls"
    ASKED = "asked"
    MONEY = "money"
    MESSAGES = "messages"
    END = "end"
    CALLED_OFF = "called_off"
    TRIED_LONGER = "tried_longer"
    NOT_RECORDED = "not_recorded"


MEANINGS: Final[Mapping[Difference, str]] = {
    Difference.PLAN: "What Perdure would have done cannot be worked out.",
    Difference.CALLS: "Other calls to outside systems, or in another order.",
    Difference.ASKED: "The same calls, with another reference, amount or account.",
    Difference.MONEY: "Other entries in the ledger.",
    Difference.MESSAGES: "Other messages.",
    Difference.END: "Another end: its status, its failure or its result.",
    Difference.CALLED_OFF: "It was called off amid a call, of which the old system keeps nothing.",
    Difference.TRIED_LONGER: "The old system tried for longer than Perdure does.",
    Difference.NOT_RECORDED: "The old system did it before it kept what it asked for.",
}
FOR_GOOD: Final = frozenset(
    {Difference.CALLED_OFF, Difference.TRIED_LONGER, Difference.NOT_RECORDED}
)
"""What has to be so, and says nothing against Perdure."""

Asks = Callable[[Any], Mapping[str, Any]]

_PARTS: Final = (Difference.CALLS, Difference.ASKED, Difference.MONEY, Difference.MESSAGES)


@dataclass(frozen=True, slots=True)
class Ended:
    """An operation that the old system has ended.

    Args:
        done: What came of each of its internal statuses.
        failed_at: The one after which it was undone; None: it was not.
        tries: How often one of them was tried, the most.
    """

    operation: Operation
    done: Mapping[str, Any]
    failed_at: str | None = None
    tries: int = 1


@dataclass(slots=True)
class Course:
    """How an operation goes, as JSON.

    Args:
        calls: The steps that changed something outside, in their order.
        asked: What each of them asked for.
        money: The entries in the ledger, by their ids.
        messages: Who is told what, sorted.
        end: Its status, the code of its failure, its result.
    """

    calls: list[str] = field(default_factory=list)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    money: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    messages: list[list[str]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)

    def enter(self, kind: str, transfer: NewTransfer, *, pending_id: str | None = None) -> None:
        """Add an entry in the ledger."""
        self.money[transfer.id] = {
            "kind": kind,
            "debit": transfer.debit_account_id,
            "credit": transfer.credit_account_id,
            "amount_minor": transfer.amount_minor,
            "currency": transfer.currency,
            "code": transfer.code,
            "pending_id": pending_id,
        }

    def tell(self, message: Message) -> None:
        """Add a message."""
        told = (message.audience, message.channel, message.recipient, message.subject, message.body)
        self.messages = sorted([*self.messages, [str(part) for part in told]])


class Rehearsal:
    """Runs a kind's script without any effect; see `core.script.Runner`.

    Args:
        asks: What each call that changes something outside asks for, given what the step is.
        own: What does the work of the other steps: it adds to the course.
    """

    def __init__(
        self,
        ended: Ended,
        course: Course,
        asks: Mapping[CallStep[Any, Any], Asks],
        own: Bodies,
    ) -> None:
        self._ended = ended
        self._course = course
        self._asks = asks
        self._own = own
        self._made: set[str] = set()

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Run a step, answered as the old system was.

        Raises:
            Refused: As it was, or called off.
        """
        if isinstance(step, Reversal):
            return await self._undo(step, given)
        result: Result
        if isinstance(step, CallStep):
            result = self._call(step, given)
        else:
            result = await self._own[step](given)
        return result

    async def run_until(self, call: CallStep[Given, Result], given: Given, _: Any) -> Result:
        """Run a call; its answer passed the check, or the old system would not have gone on."""
        return await self.run(call, given)

    async def tell(self, _: list[str]) -> None:
        """Tell nobody."""

    async def _undo(self, reversal: Reversal[Given, Result], given: Given) -> Result:
        # As `durable.reversal.undo`, of which each step finds out by itself whether it is needed.
        if reversal.unless is not None:
            found = await self.run(reversal.unless, given)
            if found != reversal.returns():
                return found
        for call in reversed(reversal.undoing):
            await self.run(call, given)
        return reversal.returns()

    def _call(self, step: CallStep[Given, Result], given: Given) -> Result:
        name, failure = step.row_name, self._ended.operation.failure
        if failure is not None and self._ended.failed_at == name:
            if failure.code == OperationCancelled.code:
                raise OperationCancelled(failure.message)
            raise Refused(failure.message, code=failure.code)
        if step.undoes is not None and step.undoes.row_name not in self._made:
            return step.returns()
        self._made.add(name)
        if step in self._asks:
            self._course.calls.append(name)
            self._course.asked.append(self._asks[step](given))
        if step.undoes is not None:
            return step.returns()
        answer: Result = from_json(step.returns, self._ended.done[name])
        return answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """What Perdure would have done, beside what was done.

    Args:
        difference: Why both are not the same; None: they are.
        parts: Where they are not, each as Perdure would have it, and as it is.
    """

    difference: Difference | None
    parts: dict[str, Any] = field(default_factory=dict)


def compare(planned: Course, found: Course, ended: Ended) -> Comparison:
    """Compare what Perdure would have done with what was done."""
    differing = [
        part for part in (*_PARTS, Difference.END) if getattr(planned, part) != getattr(found, part)
    ]
    parts = {
        str(part): {"perdure": getattr(planned, part), "legacy": getattr(found, part)}
        for part in differing
    }
    if ended.done.keys() - {*found.calls}:
        return Comparison(Difference.NOT_RECORDED)
    if differing and ended.operation.cancel_request is not None:
        return Comparison(Difference.CALLED_OFF, parts)
    if differing:
        return Comparison(differing[0], parts)
    # By then Perdure would have undone it, or parked it.
    return Comparison(Difference.TRIED_LONGER if ended.tries > TRIES_MAX else None)
