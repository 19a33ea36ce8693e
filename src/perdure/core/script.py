"""The words a kind's script is written in: its steps, and what runs them.

A script is plain Python, written once: a function of its operation's input and a `Runner`. The
operation's own workflow is one (`durable.script`), a lane another (`operations.lanes.script`); how
a step is run, tried again, waited for or parked is theirs, and declared with the step.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from perdure.core.errors import PerdureError, Refused

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class ScriptStep(Generic[Given, Result]):
    """A step of a script.

    Args:
        name: The activity's, which histories have: the kind, a dot, and the step as rows name it.
        takes: The type of what it is given.
        returns: The type of its result, to read it back.
    """

    name: str
    takes: type[Given]
    returns: type[Result]

    @property
    def row_name(self) -> str:
        """The step's name within its operation."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Step(ScriptStep[Given, Result]):
    """One commit on our database.

    Args:
        undoes: It undoes or closes: nothing calls it off, and no lane runs it.
        past_return: What it keeps has happened outside, and stands: nothing calls it off, and what
            keeps it from being done parks it.
        leads_to_call: A provider is called right after it, and its result is not looked at: in a
            lane it commits with the intent to call.
        takes_long: It may take minutes, so it gives signs of life, and is not done beside the
            workflow; no lane runs it.
    """

    undoes: bool = False
    past_return: bool = False
    leads_to_call: bool = False
    takes_long: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CallStep(ScriptStep[Given, Result]):
    """A call to a provider: yes, no, or unknown.

    A no ends the script's line; what cannot be known or done now parks the operation.

    Args:
        provider: Whom it is made to, as in its queue's name.
        first_try: Makes the call where the workflow runs, if the provider is quick.
        resolve: Finds out what became of it once its tries are used up.
        found: What that found, or the first try; None: it was not made. May refuse in its place.
        not_made: What it means for the operation that it was not made, and will not be: an answer,
            or else it parks. Given the error of the last try.
        parks: It parks under its own name where it cannot be found out, and is tried again as a
            whole; otherwise under that of `resolve`, which is tried again alone.
        inquires: It has no effect that must not be lost, and is tried for a day.
        tried_soon: Somebody waits for its answer: between two tries pass a few seconds.
        undoes: The call it undoes: nothing calls it off, and no lane runs it. A result that is made
            without arguments says that there was nothing to undo.
    """

    provider: Callable[[Given], str]
    first_try: "Step[Given, Any] | None" = None
    resolve: "CallStep[Given, Any] | None" = None
    found: Callable[[Any], Result | None] = lambda found: found
    not_made: Callable[[Given, PerdureError], PerdureError] = lambda _, error: error
    parks: bool = False
    inquires: bool = False
    tried_soon: bool = False
    undoes: "CallStep[Any, Any] | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class OwnStep(ScriptStep[Given, Result]):
    """What each runner does in its own way: a wait, a child workflow."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reversal(OwnStep[Given, Result]):
    """What undoes a script that broke off: a workflow of its own, in reverse, each until done.

    One of these that cannot be done parks the operation, and goes on from there. No lane runs it.

    Args:
        workflow: Its name.
        undoing: The calls that undo, in the order of the calls they undo; one of a call that was
            never begun is left out.
        unless: Finds out first whether the call it names went through, after which nothing is
            undone. Its result is the reversal's: made without arguments, it did not.
    """

    workflow: str
    undoing: tuple[CallStep[Given, Any], ...]
    unless: CallStep[Given, Result] | None = None


def not_reached(who: str, code: str) -> Callable[[object, PerdureError], PerdureError]:
    """Return the answer of a call that was not made: no money was moved.

    Args:
        who: Who could not be reached, as the sentence begins: `The provider`.
    """

    def not_made(_: object, __: PerdureError) -> PerdureError:
        return Refused(
            f"{who} cannot be reached, so no money was moved; try again later.", code=code
        )

    return not_made


Body = Callable[[Any], Awaitable[Any]]
"""Does a step's work, given what the step takes."""

Bodies = Mapping[ScriptStep[Any, Any], Body]
"""What does the work of a kind's steps."""


def steps_of(script: Callable[..., Any]) -> list[ScriptStep[Any, Any]]:
    """Return the steps that are declared beside a script."""
    beside = getattr(script, "__globals__", {}).values()
    return [found for found in beside if isinstance(found, ScriptStep)]


class Runner(Protocol):
    """What runs a script's steps; each raises the domain's errors.

    What cannot be done now is waited for, or parked, inside the step. A lane leaves a script by an
    error that is none of the domain's: whoever has something under way beside a step looks for any.
    """

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Run a step once, whatever happens to this process."""
        ...

    async def run_until(
        self, call: CallStep[Given, Result], given: Given, check: Callable[[Result], None]
    ) -> Result:
        """Make a call until its answer passes a check; each time it does not, a person looks."""
        ...

    async def tell(self, notification_ids: list[str]) -> None:
        """Have messages delivered; this never fails."""
        ...
