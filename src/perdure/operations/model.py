"""The one noun: an operation, its status, its steps and its trail."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


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
class NewOperation:
    """An operation to be accepted.

    Args:
        reference: The caller's own name for it; one operation of a kind and customer has it.
        input: The workflow's input, as JSON: `operation_id`, the caller's `request`, and the
            `options` in force when it was accepted. Two inputs with equal requests are the same
            request.
        lane: Which of its kind's lanes carries it out; None: a workflow of its own.
    """

    id: str
    kind: str
    customer_id: str
    input: dict[str, Any]
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    lane: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of `operations`.

    Args:
        lane: Which of its kind's lanes carries it out; None: a workflow of its own does, or will.
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

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINISHED


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """Who did what to an operation, when and why."""

    id: int
    operation_id: str
    at: datetime
    actor: str
    action: str
    status: Status
    reason: str | None
    data: dict[str, Any] | None


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
