"""One call to the outside that must not be made twice, as a capability declares it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from perdure.operations.agreement import Expected
from perdure.operations.model import Status

Said = TypeVar("Said")
"""An answer as the provider gives it."""
Answer = TypeVar("Answer")
"""An answer as it is kept."""


@dataclass(frozen=True, slots=True)
class ProviderCall(Generic[Said, Answer]):
    """One call, and how to find out what became of it.

    Args:
        operation_id: The operation it belongs to.
        step: The step's name within the operation.
        provider: The provider's name, as in `provider-<name>`.
        reference: Our reference at the provider: the same on every attempt.
        returns: The type of what is kept of an answer, to read it back.
        timeout_s: The longest the call may take, in seconds.
        create: Makes the call.
        find: Asks the provider what it knows under our reference; None: it never saw it.
        expects: What every answer has to say; None: it says nothing of what was asked, or `create`
            and `find` compare it themselves.
        outcome: What is kept of an answer.
        undoes: The call undoes or informs, so neither a request to cancel nor the operation's end
            stops it.
        moves: The operation's status changes with the call's fate; not for calls beside the main
            line.
        repeatable: The provider knows a repeat as such, so a call that was answered wrongly may be
            made again.
        status_after: The status the answer leads to.
        delivers: The message that it sends, as the operation owes it; sent with the answer's
            commit.
    """

    operation_id: str
    step: str
    provider: str
    reference: str
    returns: type[Answer]
    timeout_s: float
    create: Callable[[], Awaitable[Said]]
    find: Callable[[], Awaitable[Said | None]]
    expects: Expected | None
    outcome: Callable[[Said], Answer]
    undoes: bool = False
    moves: bool = True
    repeatable: bool = False
    status_after: Status = Status.PROCESSING
    delivers: str | None = None
