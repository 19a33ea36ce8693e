"""The one noun: an operation, its status, its steps and its trail."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_optional_text


class Status(StrEnum):
    """Where an operation stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    WAITING = "waiting"
    """For the outside: a callback, a date."""
    UNKNOWN = "unknown"
    """A provider's answer is being found out."""
    NEEDS_ATTENTION = "needs_attention"
    """Parked for an operator."""
    REVERSING = "reversing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Side(StrEnum):
    """Whose people act or look: the house's, or those of the customer an operation is for."""

    HOUSE = "house"
    CUSTOMER = "customer"


NOT_INSTALLED: Final = "kind_not_installed"
"""The failure of what is parked because no package here has its kind."""

HOUSE: Final = "house"
"""Whose an operation is that is no one customer's: no customer's API key can be made for it."""

CUSTOMERS_KEY: Final = "customer_key:"
"""What the actor's name begins with where a customer's own API key acts."""


def side_of(actor: str) -> Side:
    """Return whose side an actor is on: who is not known as a customer's is the house's."""
    return Side.CUSTOMER if actor.startswith(CUSTOMERS_KEY) else Side.HOUSE


FINISHED: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation failed, was parked or is being undone."""

    code: str
    message: str
    step: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Somebody's request to stop an operation; it holds in whatever runs the operation."""

    actor: str
    reason: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class ParkRequest:
    """An operator's request to hold an operation before its next step.

    Args:
        status: The operation's when it was parked.
    """

    actor: str
    reason: str
    requested_at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class By:
    """Who acts on an operation, and why; it is on the trail.

    Args:
        bulk_id: The bulk action this is part of.
    """

    actor: str
    reason: str
    bulk_id: str | None = None

    @property
    def side(self) -> Side:
        """Whose side acts."""
        return side_of(self.actor)

    @property
    def data(self) -> dict[str, Any]:
        """What the trail keeps of it beside actor and reason."""
        return {"bulk_id": self.bulk_id} if self.bulk_id else {}

    def check(self) -> None:
        """Refuse an action that nobody accounts for.

        Raises:
            InvalidInput: `reason_required`, or the reason is no line of text.
        """
        if not self.reason.strip():
            raise InvalidInput(
                "Give the reason; it stays on the trail.", code="reason_required", param="reason"
            )
        check_optional_text("reason", self.reason)


class RunRequest(StrEnum):
    """What the engine is still to be told of an operation."""

    RESUME = "resume"
    """To go on: its workflow waits, or has ended."""
    REPLACE = "replace"
    """To begin a new run, as the input was corrected."""


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation to be accepted.

    Args:
        reference: The caller's own name for it; one operation of a kind and customer has it.
        input: The workflow's input, as JSON: `operation_id`, the caller's `request`, and the
            `options` in force when it was accepted. Two inputs with equal requests are the same
            request.
        lane: Which of its kind's lanes carries it out; None: a workflow of its own.
        deadline_at: It is cancelled if it has not ended by then.
        traceparent: Of the trace that it is part of; None: of what is under way here.
    """

    id: str
    kind: str
    customer_id: str
    input: dict[str, Any]
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    lane: int | None = None
    deadline_at: datetime | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of `operations`.

    Args:
        lane: Which of its kind's lanes carries it out; None: a workflow of its own does, or will.
        deadline_at: It is cancelled if it has not ended by then.
        park_request: An operator holds it; no step that goes forward begins.
        reversal_begun_at: What it did is being undone since then, also while it is parked.
        relaunch_of: The operation that this one does again.
        relaunched_as: The operation that does this one again; the last of them has the reference.
        refund_of: The operation that this one gives back.
        refunded_by: The operation that gives this one back, or is about to.
        refund_refusal: Why it cannot be given back, at any time.
        run_request: What the engine is still to be told.
        run_requested_at: None: it is told when the operation is to go on.
        original_request: What the caller asked for, where a correction or a relaunch made another
            request of it.
        traceparent: Of the trace that it is part of, as W3C writes it; None: of none.
        relaunch_status: Where `relaunched_as` stands, for who looks at this one.
        refund_status: Where `refunded_by` stands, for who looks at this one.
        is_repeat: It was asked for once more, and this is what was stored before.
    """

    id: str
    kind: str
    status: Status
    customer_id: str
    reference: str | None
    input: dict[str, Any]
    result: dict[str, Any] | None
    failure: Failure | None
    metadata: dict[str, str]
    cancel_request: CancelRequest | None
    lane: int | None
    workflow_started_at: datetime | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    deadline_at: datetime | None = None
    park_request: ParkRequest | None = None
    reversal_begun_at: datetime | None = None
    relaunch_of: str | None = None
    relaunched_as: str | None = None
    refund_of: str | None = None
    refunded_by: str | None = None
    refund_refusal: Failure | None = None
    run_request: RunRequest | None = None
    run_requested_at: datetime | None = None
    original_request: dict[str, Any] | None = None
    traceparent: str | None = None
    relaunch_status: Status | None = None
    refund_status: Status | None = None
    is_repeat: bool = False

    @property
    def is_held_by_house(self) -> bool:
        """Whether the house holds it: no customer lifts that."""
        park = self.park_request
        return not self.is_finished and park is not None and side_of(park.actor) == Side.HOUSE

    @property
    def is_not_installed(self) -> bool:
        """Whether it is parked because no package here has its kind."""
        code = self.failure.code if self.failure else None
        return self.status == Status.NEEDS_ATTENTION and code == NOT_INSTALLED

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINISHED

    @property
    def is_reversing(self) -> bool:
        """Whether what it did is being undone, or was when it was parked."""
        begun = self.status == Status.REVERSING or self.reversal_begun_at is not None
        return begun and not self.is_finished

    @property
    def asked_request(self) -> dict[str, Any]:
        """What the caller asked for, whatever operators made of it."""
        request: dict[str, Any] = self.original_request or self.input["request"]
        return request


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """Who did what to an operation, when and why.

    Args:
        request_id: The API's request that led to it.
    """

    id: int
    operation_id: str
    at: datetime
    actor: str
    action: str
    status: Status
    reason: str | None
    data: dict[str, Any] | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class StepAttempt:
    """One attempt at one step of an operation."""

    step: str
    attempt: int
    outcome: str
    error: dict[str, Any] | None
    provider_reference: str | None
    started_at: datetime
    finished_at: datetime | None
    id: int = 0
