"""Operations of any kind, as they are shown."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from perdure.api.schemas import (
    PAGE_LIMIT_MAX,
    CancelRequestView,
    CustomerId,
    FailureView,
    PageQuery,
    ReasonBody,
    Reference,
    RequestBody,
    Text,
    TwoWayPageQuery,
)
from perdure.capability.assembly import operation_kinds, refundable_kinds
from perdure.core.errors import InvalidInput
from perdure.core.gears import Gear
from perdure.operations.allowed import Action, next_actions
from perdure.operations.customer_view import attempt_seen_by, entry_seen_by, operation_seen_by
from perdure.operations.lanes.store import gear_of
from perdure.operations.model import Operation, Side, Status, StepAttempt, TrailEntry
from perdure.operations.reporting import OperationReport, TimelineCursor

STATUSES_MAX: Final = 1000

GEAR: Final = (
    "What carries it out, or carried it to its end: a worker directly (`interactive`), a lane with"
    " many others (`flood`), a workflow of its own, or a system that Perdure replaces."
)
_ATTEMPT_ID: Final = "attempt_"
_KINDS: Final = operation_kinds()
_REFUNDABLE: Final = refundable_kinds()


def _kind_there_is(name: str) -> str:
    if name not in _KINDS:
        raise ValueError(f"Input should be one of {', '.join(map(repr, _KINDS.names))}")
    return name


Kind = Annotated[
    str, AfterValidator(_kind_there_is), Field(json_schema_extra={"enum": list(_KINDS.names)})
]


class OperationsOfKindQuery(TwoWayPageQuery):
    """Which operations of one kind."""

    status: Status | None = Field(default=None, description="Only those in this status.")
    customer_id: CustomerId | None = Field(default=None, description="Only this customer's.")
    reference: Reference | None = Field(default=None, description="Only with this reference.")


class OperationsQuery(OperationsOfKindQuery):
    """Which operations."""

    kind: Kind | None = Field(default=None, description="Only of this kind.")


def common_values(operation: Operation) -> dict[str, Any]:
    """Return what every view of an operation shows of its row."""
    return {
        "id": operation.id,
        "status": operation.status,
        "customer_id": operation.customer_id,
        "reference": operation.reference,
        "failure": FailureView.of(operation.failure),
        "cancel_request": CancelRequestView.of(operation.cancel_request),
        "deadline": operation.deadline_at,
        "relaunch_of": operation.relaunch_of,
        "relaunched_as": operation.relaunched_as,
        "relaunch_status": operation.relaunch_status,
        "refunded_by": operation.refunded_by,
        "refund_status": operation.refund_status,
        "gear": gear_of(operation.lane),
        "metadata": operation.metadata,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
        "finished_at": operation.finished_at,
    }


class OperationView(BaseModel):
    """An operation of any kind."""

    object: Literal["operation"] = "operation"
    id: str
    kind: str
    status: Status
    customer_id: str
    reference: str | None
    request: dict[str, Any] = Field(description="What was asked for, with later corrections.")
    result: dict[str, Any] | None = Field(
        description="What came of it, as its kind has it; null: nothing yet."
    )
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    deadline: datetime | None
    relaunch_of: str | None = Field(description="The operation that this one does again.")
    relaunched_as: str | None = Field(description="The operation that does this one again.")
    relaunch_status: Status | None = Field(description="Where `relaunched_as` stands.")
    refund_of: str | None = Field(description="The operation that this one gives back.")
    refunded_by: str | None = Field(
        description="The operation that gives this one back, or is about to."
    )
    refund_status: Status | None = Field(description="Where `refunded_by` stands.")
    next_actions: list[Action] = Field(description="What can be done to it now.")
    gear: Gear = Field(description=GEAR)
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, side: Side) -> "OperationView":
        """Show one."""
        operation = operation_seen_by(side, operation)
        return cls(
            kind=operation.kind,
            request=operation.input["request"],
            result=operation.result,
            refund_of=operation.refund_of,
            next_actions=next_actions(operation, _REFUNDABLE, side=side),
            **common_values(operation),
        )


class CorrectionBody(ReasonBody):
    """A correction of what was asked for."""

    patch: dict[str, Any] = Field(
        description="The fields that change; of a field that is an object, what is not named"
        " stays.",
        examples=[{"payee": {"email": "ada@example.com"}}],
    )
    go_on: bool = Field(default=True, description="False: it stays parked.")


class OperationCancellation(BaseModel):
    """The answer to a request to cancel."""

    object: Literal["cancellation"] = "cancellation"
    accepted: bool
    reason: str
    operation: OperationView = Field(description="The operation, as it stands now.")


class OperationEvent(BaseModel):
    """An entry of the trail: who did what, when and why."""

    object: Literal["operation_event"] = "operation_event"
    id: int
    operation_id: str
    at: datetime
    actor: str
    action: str
    status: Status = Field(description="The operation's, after this.")
    reason: str | None
    data: dict[str, Any] | None
    request_id: str | None = Field(description="Of the request that led to it.")

    @classmethod
    def of(cls, entry: TrailEntry, side: Side) -> "OperationEvent":
        """Show one."""
        entry = entry_seen_by(side, entry)
        return cls(
            id=entry.id,
            operation_id=entry.operation_id,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            status=entry.status,
            reason=entry.reason,
            data=entry.data,
            request_id=entry.request_id,
        )


class StepAttemptView(BaseModel):
    """One attempt at one step."""

    object: Literal["step_attempt"] = "step_attempt"
    id: str
    at: datetime = Field(description="When it began.")
    step: str
    attempt: int
    outcome: str = Field(description="How it ended.")
    error: dict[str, Any] | None = Field(description="Why it failed; null: it did not.")
    provider_reference: str | None = Field(description="The provider's own id of what was done.")
    finished_at: datetime | None

    @classmethod
    def of(cls, attempt: StepAttempt, side: Side) -> "StepAttemptView":
        """Show one."""
        attempt = attempt_seen_by(side, attempt)
        return cls(
            id=f"{_ATTEMPT_ID}{attempt.id}",
            at=attempt.started_at,
            step=attempt.step,
            attempt=attempt.attempt,
            outcome=attempt.outcome,
            error=attempt.error,
            provider_reference=attempt.provider_reference,
            finished_at=attempt.finished_at,
        )


class ProviderCallView(BaseModel):
    """A call to a provider, and what became of it."""

    object: Literal["provider_call"] = "provider_call"
    step: str
    provider: str
    reference: str = Field(description="Ours, by which the provider knows it.")
    state: str = Field(description="`intended`, `unknown`, `answered`, `refused` or `not_made`.")
    calls: int = Field(description="How often it was begun.")
    created_at: datetime
    updated_at: datetime


class OperationReportView(BaseModel):
    """All that is known of an operation, as of one moment."""

    object: Literal["operation_report"] = "operation_report"
    operation: OperationView = Field(description="The operation itself.")
    trail: list[OperationEvent] = Field(description="Who did what, oldest first.")
    steps: list[StepAttemptView] = Field(description="Each attempt at each step, oldest first.")
    calls: list[ProviderCallView] = Field(description="Each call to a provider, oldest first.")

    @classmethod
    def of(cls, report: OperationReport) -> "OperationReportView":
        """Show one to the house."""
        return cls(
            operation=OperationView.of(report.operation, Side.HOUSE),
            trail=[OperationEvent.of(entry, Side.HOUSE) for entry in report.trail],
            steps=[StepAttemptView.of(attempt, Side.HOUSE) for attempt in report.attempts],
            calls=[ProviderCallView(**asdict(call)) for call in report.calls],
        )


class StatusesBody(RequestBody):
    """Operations that are looked at together."""

    ids: Annotated[list[Text], Field(max_length=STATUSES_MAX)] = Field(
        description=f"Which, at most {STATUSES_MAX}.", examples=[["pay_01h455vb4pex5vsknk084sn02q"]]
    )


class OperationStatus(BaseModel):
    """Where an operation stands."""

    object: Literal["operation_status"] = "operation_status"
    id: str
    status: Status
    failure: FailureView | None


class TimelineQuery(PageQuery):
    """Which part of a timeline; most are answered whole."""

    limit: int = Field(default=PAGE_LIMIT_MAX, ge=1, le=PAGE_LIMIT_MAX)
    starting_after: Text | None = Field(
        default=None, description="The last id of the page before: answers the next, later ones."
    )

    def cursor(self) -> TimelineCursor | None:
        """Return where the page begins.

        Raises:
            InvalidInput: `invalid_cursor`.
        """
        if self.starting_after is None:
            return None
        of_attempt, _, digits = self.starting_after.rpartition(_ATTEMPT_ID)
        is_attempt = self.starting_after != digits
        # Of at most 18 digits, as a column's numbers are.
        if of_attempt or not re.fullmatch(r"[0-9]{1,18}", digits):
            raise InvalidInput(
                "Give the id of an entry of this timeline.",
                code="invalid_cursor",
                param="starting_after",
            )
        return TimelineCursor(is_attempt, int(digits))


class Timeline(BaseModel):
    """What happened to an operation, oldest first."""

    object: Literal["list"] = "list"
    data: list[OperationEvent | StepAttemptView]
    has_more: bool = Field(description="Whether there are later ones beyond this page.")
    url: str

    @classmethod
    def of(
        cls, entries: list[TrailEntry | StepAttempt], limit: int, url: str, side: Side
    ) -> "Timeline":
        """Show `limit` of them; one more tells that there are more."""
        shown = [
            OperationEvent.of(entry, side)
            if isinstance(entry, TrailEntry)
            else StepAttemptView.of(entry, side)
            for entry in entries[:limit]
        ]
        return cls(data=shown, has_more=len(entries) > limit, url=url)
