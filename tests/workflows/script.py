"""Answers from outside as a script: what a test sets, and what was asked."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity

from perdure.core.errors import PerdureError, ProviderError
from perdure.durable.scope import (
    PARK,
    REQUEST_CANCEL,
    CancelDecision,
    CancelOperation,
    ParkOperation,
)
from perdure.notifications.contracts import DELIVER, DELIVER_FIRST_TRY
from tests.polls import eventually

CANCEL_ACCEPTED = CancelDecision(accepted=True, reason="It will stop.")


def at_once(error: PerdureError) -> PerdureError:
    """Return an error as the activities raise it, with its retry due at once."""
    raised = copy(error)
    if isinstance(raised, ProviderError):
        raised.retry_after_s = 0.01
    return raised


@dataclass
class Script:
    """Answers by activity name: a value, an error to raise, or a function of the input.

    A list is used up answer by answer, its last one staying. `calls` tells what was asked. The
    activities that operations of all kinds have are here.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    def answer(self, name: str, given: Any, default: Any = None) -> Any:
        self.calls.append(name)
        self.given[name] = given
        answer = self.answers.get(name, default)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(given)
        if isinstance(answer, PerdureError):
            raise at_once(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer_first_try(self, name: str, given: Any, otherwise: Any) -> Any:
        """Answer a first try; where no answer is set, nothing comes of it, and nothing is noted."""
        return self.answer(name, given) if name in self.answers else otherwise

    async def until_called(self, name: str, *, times: int = 1) -> None:
        """Wait until something was asked."""
        await eventually(
            lambda: self.calls.count(name) >= times,
            why_not=lambda: f"{name} was not called {times} times: {self.calls}",
        )

    @activity.defn(name=DELIVER)
    async def deliver(self, given: str) -> None:
        self.answer(DELIVER, given)

    @activity.defn(name=DELIVER_FIRST_TRY)
    async def deliver_first_try(self, given: list[str]) -> list[str]:
        return self.answer_first_try(DELIVER_FIRST_TRY, given, given)  # type: ignore[no-any-return]

    @activity.defn(name=REQUEST_CANCEL)
    async def request_cancel(self, given: CancelOperation) -> CancelDecision:
        return self.answer(REQUEST_CANCEL, given, CANCEL_ACCEPTED)  # type: ignore[no-any-return]

    @activity.defn(name=PARK)
    async def park(self, given: ParkOperation) -> None:
        self.answer(PARK, given)

    def of_all_kinds(self) -> list[Callable[..., Any]]:
        """Return the activities that run where operations' workflows do, whatever their kind."""
        return [self.deliver_first_try, self.request_cancel, self.park]
