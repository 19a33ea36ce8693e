"""Bulks as they are asked for and shown."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from perdure.api.operation_schemas import Kind, OperationView
from perdure.api.schemas import (
    PAGE_LIMIT_MAX,
    CancelRequestView,
    CustomerId,
    FailureView,
    Metadata,
    Moment,
    Number,
    PageQuery,
    Reason,
    RequestBody,
    Text,
)
from perdure.core.errors import InvalidInput
from perdure.operations.bulk.lists import BulkList
from perdure.operations.bulk.model import (
    RATE_PER_S_DEFAULT,
    RATE_PER_S_MAX,
    RATE_PER_S_MIN,
    Bulk,
    BulkItem,
    BulkPreview,
    BulkProgress,
    BulkQuery,
    ItemState,
    ListedIds,
    NewBulk,
    Selection,
)
from perdure.operations.model import Side, Status

IDS_MAX = 10_000

RatePerS = Annotated[
    float,
    Field(
        description="How many operations are acted on a second.",
        json_schema_extra={"minimum": RATE_PER_S_MIN, "maximum": RATE_PER_S_MAX},
    ),
]
ConfirmCount = Annotated[
    int | None,
    Field(
        default=None,
        description="How many operations these are, as a dry run tells it. Needed for more than"
        " 100, and for a query without a criterion.",
    ),
]


class BulkQueryBody(RequestBody):
    """Which operations: those that all of this holds for."""

    kind: Kind | None = Field(default=None, description="Of this kind.")
    status: Annotated[Status | None, Field(strict=False)] = Field(
        default=None, description="In this status."
    )
    failure_step: Text | None = Field(default=None, description="Where they failed, or stopped.")
    failure_code: Text | None = Field(default=None, description="Why they failed, or stopped.")
    provider: Text | None = Field(default=None, description="One that was called for them.")
    customer_id: CustomerId | None = Field(default=None, description="This customer's.")
    created_after: Moment | None = Field(default=None, description="Accepted after this.")
    created_before: Moment | None = Field(default=None, description="Accepted before this.")
    updated_after: Moment | None = Field(default=None, description="Changed after this.")
    updated_before: Moment | None = Field(default=None, description="Changed before this.")
    metadata: Metadata = Field(default={}, description="Texts that theirs contain.")

    def to_query(self) -> BulkQuery:
        """Return the query."""
        return BulkQuery(**dict(self))


class BulkBody(RequestBody):
    """A bulk: one action on many operations, by a query or by their ids."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "relaunch",
                    "reason": "The provider is back.",
                    "query": {"status": "needs_attention", "failure_code": "provider_disagrees"},
                    "dry_run": True,
                }
            ]
        }
    )

    action: Text = Field(
        description="What is done to each: cancel, relaunch, park, release, correct or refund.",
        examples=["relaunch"],
    )
    reason: Reason
    query: BulkQueryBody | None = Field(
        default=None, description="Which operations, by what holds for them; or give `ids`."
    )
    ids: Annotated[list[Text] | None, Field(max_length=IDS_MAX)] = Field(
        default=None, description="Which operations, by name; or give a `query`."
    )
    list_id: Text | None = Field(
        default=None, description="Which operations, by a list of more ids than one request takes."
    )
    patch: dict[str, Any] | None = Field(
        default=None, description="Of `correct`: the fields that change."
    )
    go_on: bool | None = Field(default=None, description="Of `correct`; false: they stay parked.")
    rate_per_s: RatePerS = RATE_PER_S_DEFAULT
    confirm_count: ConfirmCount
    dry_run: bool = Field(default=False, description="Answers what it would be about, and no more.")

    @property
    def selection(self) -> Selection:
        """Return which operations it is about.

        Raises:
            InvalidInput: `missing_field`: there is none of them, or more than one.
        """
        if [self.query, self.ids, self.list_id].count(None) != 2:
            raise InvalidInput(
                "Give one of query, ids and list_id.", code="missing_field", param="query"
            )
        if self.list_id is not None:
            return ListedIds(self.list_id)
        return self.query.to_query() if self.query is not None else tuple(self.ids or ())

    def to_bulk(self) -> NewBulk:
        """Return the bulk."""
        arguments = {"patch": self.patch, "go_on": self.go_on}
        return NewBulk(
            action=self.action,
            reason=self.reason,
            selection=self.selection,
            arguments={name: value for name, value in arguments.items() if value is not None},
            rate_per_s=self.rate_per_s,
            confirm_count=self.confirm_count,
        )


class BulkListBody(RequestBody):
    """Further ids for a list."""

    ids: Annotated[list[Text], Field(max_length=IDS_MAX)] = Field(
        description="Which operations, by name; one that the list has already changes nothing."
    )


class BulkListView(BaseModel):
    """A list of ids, for a bulk to be about."""

    object: Literal["bulk_list"] = "bulk_list"
    id: str
    count: int = Field(description="How many ids it has, each counted once.")
    taken_by: str | None = Field(description="The bulk that is about them; null: none yet.")
    created_at: datetime

    @classmethod
    def of(cls, found: BulkList) -> "BulkListView":
        """Show one."""
        return cls(**asdict(found))


class BulkUndoBody(RequestBody):
    """A bulk of the inverse action over what a bulk acted on."""

    reason: Reason
    rate_per_s: RatePerS | None = Field(default=None, description="As the bulk's, if left out.")
    confirm_count: ConfirmCount


class BulkRateBody(RequestBody):
    """Another rate for a bulk that is under way."""

    reason: Reason
    rate_per_s: RatePerS


class BulksQuery(PageQuery):
    """Which bulks."""

    status: Status | None = Field(default=None, description="Only those in this status.")


class BulkItemsQuery(BaseModel):
    """Which items of a bulk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: ItemState | None = Field(default=None, description="Only those in this state.")
    limit: int = Field(default=10, ge=1, le=PAGE_LIMIT_MAX)
    starting_after: Number = Field(
        default=0, description="The number of the last item of the page before."
    )


class BulkPreviewView(BaseModel):
    """What a bulk would be about."""

    object: Literal["bulk_preview"] = "bulk_preview"
    count: int = Field(description="How many operations it would be about.")
    by_status: dict[str, int] = Field(description="How many of them are in each status.")
    by_kind: dict[str, int] = Field(description="How many of them are of each kind.")
    unknown: int = Field(description="How many ids there is no operation of.")
    confirmation_needed: bool = Field(description="Whether `confirm_count` has to be given.")
    sample: list[OperationView] = Field(description="Some of them.")

    @classmethod
    def of(cls, preview: BulkPreview) -> "BulkPreviewView":
        """Show one."""
        return cls(
            count=preview.count,
            by_status=preview.by_status,
            by_kind=preview.by_kind,
            unknown=preview.unknown,
            confirmation_needed=preview.confirmation_needed,
            sample=[OperationView.of(operation, Side.HOUSE) for operation in preview.sample],
        )


class BulkProgressView(BaseModel):
    """How many items are in which state, and why those are that were refused or failed."""

    pending: int = Field(description="How many are not acted on yet.")
    done: int = Field(description="On how many it was done.")
    refused: int = Field(description="For how many the action said no.")
    failed: int = Field(description="For how many it failed, by a defect.")
    skipped: int = Field(description="How many were left when it was stopped.")
    codes: dict[str, int]


class BulkView(BaseModel):
    """A bulk, and how far it is."""

    object: Literal["bulk"] = "bulk"
    id: str
    action: str = Field(description="What is done to each.")
    status: Status
    actor: str
    reason: str
    query: dict[str, Any] | None = Field(description="Null: its operations were named.")
    arguments: dict[str, Any] = Field(description="What the action was given.")
    rate_per_s: float = Field(description="How many operations are acted on a second.")
    counted: int = Field(description="How many operations it was about when it was asked for.")
    selected: bool = Field(description="Whether its items are all written down.")
    progress: BulkProgressView = Field(description="How far it is.")
    undo_of: str | None = Field(description="The bulk whose inverse it is.")
    is_paused: bool = Field(description="Whether somebody holds it.")
    failure: FailureView | None
    cancel_request: CancelRequestView | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, bulk: Bulk, progress: BulkProgress) -> "BulkView":
        """Show one."""
        operation, request = bulk.operation, bulk.request
        query = request.query
        return cls(
            id=bulk.id,
            action=request.action,
            status=operation.status,
            actor=request.actor,
            reason=request.reason,
            query={name: value for name, value in asdict(query).items() if value}
            if query is not None
            else None,
            arguments=request.arguments,
            rate_per_s=bulk.rate_per_s,
            counted=bulk.counted,
            selected=bulk.selected_at is not None,
            progress=BulkProgressView(**asdict(progress)),
            undo_of=bulk.undo_of,
            is_paused=operation.park_request is not None,
            failure=FailureView.of(operation.failure),
            cancel_request=CancelRequestView.of(operation.cancel_request),
            created_at=operation.created_at,
            updated_at=operation.updated_at,
            finished_at=operation.finished_at,
        )


class BulkItemView(BaseModel):
    """One operation of a bulk, and what became of it."""

    object: Literal["bulk_item"] = "bulk_item"
    number: int = Field(description="Its place in the bulk.")
    operation_id: str
    state: ItemState
    code: str | None = Field(description="Why it was refused, or failed.")
    message: str | None = Field(description="The same in words.")
    new_operation_id: str | None = Field(description="What the action made of it.")
    at: datetime | None = Field(description="When it was acted on.")

    @classmethod
    def of(cls, item: BulkItem) -> "BulkItemView":
        """Show one."""
        return cls(**asdict(item))
