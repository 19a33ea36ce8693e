"""What a step writes last goes along with what the next one writes first: one commit, not two.

For whoever carries a script out by itself, each step at once after the other. An intent is still
committed before its call, and an answer before anybody is told of what follows from it. Who dies
in between has written neither: whoever goes on does the step, or asks the provider, as after any
death.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perdure.core.clock import utc_now
from perdure.operations.attempts import Attempt, attempt_begins
from perdure.operations.model import Status
from perdure.storage.outages import is_outage


@dataclass(frozen=True, slots=True)
class NewIntent:
    """The intent to make a call for the first time; fields as in `ProviderCall`."""

    operation_id: str
    step: str
    provider: str
    reference: str
    lease_until: datetime
    undoes: bool
    moves: bool


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """What a provider answered, as JSON.

    Args:
        status_after: The status the operation takes; None: it keeps the one it has.
        delivers: As in `ProviderCall`.
    """

    operation_id: str
    step: str
    reference: str
    answer: Any
    attempt: Attempt
    status_after: Status | None
    delivers: str | None = None
    answered_at: datetime = field(default_factory=utc_now)


@dataclass(slots=True)
class Joined:
    """What a runner has still to write of its operation.

    Attributes:
        answer: Goes along with the step that follows.
        intent: Goes along with the step that was put off, which is being done.
    """

    operation_id: str
    answer: NewAnswer | None = None
    intent: NewIntent | None = None
    _write_answer: Callable[[NewAnswer], Awaitable[None]] | None = None
    _step: Callable[[], Awaitable[object]] | None = None

    async def write(self) -> None:
        """Write it by itself."""
        await self.do_step()
        await self.write_answer()

    async def write_answer(self) -> None:
        """Write the answer by itself, if there is one."""
        if self.answer is not None and self._write_answer is not None:
            answer, self.answer = self.answer, None
            await self._write_answer(answer)

    async def do_step(self, intent: NewIntent | None = None) -> bool:
        """Do the step that was put off, if there is one; returns whether the intent went along."""
        if self._step is None:
            return False
        step, self._step, self.intent = self._step, None, intent
        try:
            await step()
            went_along = intent is not None and self.intent is None
        finally:
            self.intent = None
        if intent is not None:
            attempt_begins()
        return went_along

    def put_off_step(self, step: Callable[[], Awaitable[object]]) -> bool:
        """Leave a step to the intent of the call that follows; False: it is done by itself."""
        if not self.operation_id:
            return False
        self._step = step
        return True

    def put_off_answer(
        self, answer: NewAnswer, write: Callable[[NewAnswer], Awaitable[None]]
    ) -> bool:
        """Leave an answer to the step that follows; False: it is written by itself."""
        if self.operation_id != answer.operation_id or self.answer is not None:
            return False
        self.answer, self._write_answer = answer, write
        return True


_joined: ContextVar[Joined | None] = ContextVar("joined", default=None)


def joined() -> Joined:
    """Return what the runner here has still to write."""
    return _joined.get() or Joined("")


def joined_with(operation_id: str) -> Joined:
    """Return the same, if it is this operation's."""
    found = joined()
    return found if found.operation_id == operation_id else Joined("")


@asynccontextmanager
async def joined_commits(operation_id: str) -> AsyncIterator[None]:
    """Have what runs inside put off what may go along with the operation's next commit."""
    here = Joined(operation_id)
    token = _joined.set(here)
    try:
        yield
    except Exception as error:
        # What was on its way when the database went away may be written.
        if not is_outage(error):
            await here.write()
        raise
    else:
        await here.write()
    finally:
        _joined.reset(token)
