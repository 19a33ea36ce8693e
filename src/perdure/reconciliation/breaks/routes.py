"""`/v1/reconciliation-breaks`: what does not fit, and what a person makes of it."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from perdure.api.acting import ActingOnOne
from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.idempotency import KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.operation_schemas import OperationView
from perdure.api.schemas import FailureView, Page, PageQuery, ReasonBody, Text, page_of
from perdure.operations import store as operations
from perdure.operations.model import Operation, Status
from perdure.reconciliation.breaks import listing, store
from perdure.reconciliation.breaks.model import Break, How, Resolution
from perdure.reconciliation.contracts import BREAK_KIND, BREAKS_PLURAL
from perdure.reconciliation.matching.items import BreakClass

breaks = APIRouter(prefix=f"/v1/{BREAKS_PLURAL}", tags=[BREAKS_PLURAL])

Reader = Annotated[ApiKey, Depends(house_caller_with("reconciliations:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("reconciliations:write"))]


class BreaksQuery(PageQuery):
    """Which breaks."""

    account_id: Text | None = Field(default=None, description="Only of this account.")
    source: Text | None = Field(default=None, description="Only of this statement's account.")
    break_class: BreakClass | None = Field(default=None, description="Only of this class.")
    found_in: Text | None = Field(
        default=None, description="Only those that this reconciliation was the last to find."
    )
    open: bool | None = Field(default=None, description="Only those that are open, or not.")


class ProposalView(BaseModel):
    """What may belong together."""

    transfer_ids: list[str] = Field(description="Entries of ours.")
    line_ids: list[int] = Field(description="Lines of theirs.")


class BreakView(BaseModel):
    """A break."""

    object: Literal["reconciliation_break"] = "reconciliation_break"
    id: str
    status: Status
    break_class: BreakClass = Field(description="What is wrong.")
    source: str = Field(description="Whose statement it is about.")
    account_id: str
    amount_minor: int = Field(description="What theirs comes to, less what ours does.")
    currency: str
    transfer_ids: list[str] = Field(description="The entries of ours that it is about.")
    line_ids: list[int] = Field(description="The lines of theirs.")
    proposals: list[ProposalView] = Field(
        description="Ways to match it, for a person to choose from; none is taken by itself."
    )
    found_on: date = Field(description="The day that was compared when it was found.")
    seen_on: date = Field(description="The last such day.")
    resolution: str | None = Field(description="How it was resolved; null: it is open.")
    excused_until: date | None = Field(description="Until when what it is about is waited for.")
    told: str = Field(description="What is wrong, in words.")
    failure: FailureView | None
    result: dict[str, Any] | None = Field(description="What its resolution did.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, found: Break, operation: Operation) -> "BreakView":
        """Show one."""
        told = asdict(found)
        return cls(
            **{name: told[name] for name in cls.model_fields if name in told and name != _OWN},
            proposals=[
                ProposalView(transfer_ids=list(one.ours), line_ids=[int(key) for key in one.theirs])
                for one in found.proposals
            ],
            status=operation.status,
            failure=FailureView.of(operation.failure),
            result=operation.result,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
        )


_OWN = "proposals"


class ResolutionBody(ReasonBody):
    """How a break is resolved, and why."""

    how: Annotated[How, Field(strict=False)] = Field(
        description="`accept_timing`, `match`, `book`, `write_off` or `send_back`."
    )
    account_id: Text | None = Field(
        default=None, description="Of what is booked: where the other half goes."
    )
    days: int | None = Field(default=None, description="Of what is waited for: how long.")
    transfer_ids: list[Text] = Field(
        default=[], description="Of what is matched: our side; none of both: all of the break."
    )
    line_ids: list[int] = Field(default=[], description="Of what is matched: their side.")


@breaks.get("", openapi_extra=refuses("house_only"))
async def list_breaks(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[BreaksQuery, Query()]
) -> Page[BreakView]:
    """List breaks, newest first."""
    found = await listing.find(
        platform.pool,
        account_id=query.account_id,
        source=query.source,
        break_class=query.break_class,
        seen_by=query.found_in,
        is_open=query.open,
        starting_after=query.starting_after,
        limit=query.limit + 1,
    )
    shown = [await _view(platform, break_id) for break_id in found]
    return page_of(shown, query.limit, lambda view: view, breaks.prefix)


@breaks.get("/{break_id}", openapi_extra=refuses("house_only", "reconciliation_break_not_found"))
async def get_break(break_id: Text, platform: PlatformOfApp, _caller: Reader) -> BreakView:
    """Return a break, and the ways to match it that are proposed."""
    return await _view(platform, break_id)


async def _view(platform: PlatformOfApp, break_id: str) -> BreakView:
    async with platform.pool.acquire() as connection:
        found = await store.get(connection, break_id)
        return BreakView.of(found, await operations.get(connection, break_id))


async def _acting(
    request: Request, break_id: Text, platform: PlatformOfApp, caller: Writer, key: KeyOfRequest
) -> ActingOnOne:
    return ActingOnOne(request, platform, caller, key, break_id, BREAK_KIND)


@breaks.post(
    "/{break_id}/resolve",
    response_model=OperationView,
    openapi_extra=refuses(
        *("house_only", "reconciliation_break_not_found", "reason_required", "not_parked"),
        *("being_undone", "nothing_to_correct"),
    ),
)
async def resolve_break(
    body: ResolutionBody, acting: Annotated[ActingOnOne, Depends(_acting)]
) -> Response:
    """Say how a break is resolved; it is carried out at once, or needs attention again, and why."""
    resolution = Resolution(
        how=body.how,
        account_id=body.account_id,
        days=body.days,
        transfer_ids=tuple(body.transfer_ids),
        line_ids=tuple(body.line_ids),
    )
    resolution.check()
    patch = {"resolution": resolution.as_patch()}
    return await acting.do(acting.actions.correct, body.reason, patch)
