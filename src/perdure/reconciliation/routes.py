"""`/v1/reconciliations`: a day's books compared, how far that is, and its report."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from perdure.api.acting import Acting
from perdure.api.authentication import PlatformOfApp, house_caller_with, log_as_about
from perdure.api.idempotency import Answer, KeyOfRequest
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import Day, FailureView, Page, PageQuery, RequestBody, Text, page_of
from perdure.core.errors import NotFound
from perdure.operations.model import Operation, Status
from perdure.operations.steps import from_json
from perdure.reconciliation.acceptance import ReconciliationAcceptance
from perdure.reconciliation.contracts import KIND, PLURAL, ReconciliationRequest
from perdure.reconciliation.report.rows import rows_of
from perdure.reconciliation.report.summary import Summary, summary_of
from perdure.reconciliation.report.written import as_csv, as_html
from perdure.storage.pool import Connection

reconciliations = APIRouter(prefix=f"/v1/{PLURAL}", tags=[PLURAL])

Reader = Annotated[ApiKey, Depends(house_caller_with("reconciliations:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("reconciliations:write"))]

_ROWS_MAX = 50_000
"""In a page of HTML; CSV has all."""


class ReconciliationBody(RequestBody):
    """A day to be reconciled."""

    day: Day = Field(description="In UTC. Of today what has happened so far is compared.")
    again: bool = Field(default=False, description="Once more, where the day's last one has ended.")


class SummaryView(BaseModel):
    """What a reconciliation came to."""

    accounts: int = Field(description="How many were compared.")
    matched_entries: int = Field(description="Entries of ours that found their counterparts.")
    matched_lines: int = Field(description="Lines of theirs that did.")
    waiting: int = Field(description="Entries of ours that no statement covers yet.")
    breaks: dict[str, int] = Field(description="What does not fit, by class.")
    new: int = Field(description="How many of these were found for the first time.")
    seen: int = Field(description="How many earlier ones were closed by themselves.")
    left_out: list[dict[str, str]] = Field(
        description="Accounts with too much that is open to be compared, each with its source."
    )


class ReconciliationView(BaseModel):
    """A reconciliation."""

    object: Literal["reconciliation"] = "reconciliation"
    id: str
    status: Status
    day: str = Field(description="The day whose books are compared.")
    again: int = Field(description="Which further run of the day it is; 0: the first.")
    summary: SummaryView = Field(description="What it has come to so far.")
    failure: FailureView | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation, summary: Summary) -> "ReconciliationView":
        """Show one."""
        request = from_json(ReconciliationRequest, operation.input["request"])
        told: dict[str, Any] = summary.as_json()
        return cls(
            id=operation.id,
            status=operation.status,
            day=request.day,
            again=request.again,
            summary=SummaryView(**{name: told[name] for name in SummaryView.model_fields}),
            failure=FailureView.of(operation.failure),
            created_at=operation.created_at,
            updated_at=operation.updated_at,
            finished_at=operation.finished_at,
        )


async def _acting(
    request: Request, platform: PlatformOfApp, caller: Writer, key: KeyOfRequest
) -> Acting:
    return Acting(request, platform, caller, key)


@reconciliations.post(
    "",
    status_code=201,
    response_model=ReconciliationView,
    openapi_extra=refuses("house_only", "invalid_date"),
)
async def create_reconciliation(
    body: ReconciliationBody, acting: Annotated[Acting, Depends(_acting)]
) -> Response:
    """Have the books of a day compared; where that was asked for before, this answers with it."""
    platform = acting.platform
    accepted: list[Operation] = []

    async def act(connection: Connection) -> Answer:
        operation = await platform.kinds.own(ReconciliationAcceptance).accept(
            connection, body.day, actor=acting.caller.actor, again=body.again
        )
        accepted.append(operation)
        log_as_about(operation)
        summary = await _summary(connection, operation)
        shown = ReconciliationView.of(operation, summary)
        return Answer.of(201, shown, replayed=operation.is_repeat)

    response = await acting.answer(act)
    for operation in accepted:
        await platform.operations.begin(operation)
    return response


@reconciliations.get("", openapi_extra=refuses("house_only"))
async def list_reconciliations(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[PageQuery, Query()]
) -> Page[ReconciliationView]:
    """List reconciliations, newest first."""
    found = await platform.operations.find(
        kind=KIND, starting_after=query.starting_after, limit=query.limit + 1
    )
    summaries = {one.id: await _summary(platform.pool, one) for one in found[: query.limit]}
    return page_of(
        found,
        query.limit,
        lambda one: ReconciliationView.of(one, summaries[one.id]),
        reconciliations.prefix,
    )


@reconciliations.get(
    "/{reconciliation_id}", openapi_extra=refuses("house_only", "reconciliation_not_found")
)
async def get_reconciliation(
    reconciliation_id: Text, platform: PlatformOfApp, _caller: Reader
) -> ReconciliationView:
    """Return a reconciliation, and what it has come to so far."""
    operation = await _found(platform, reconciliation_id)
    return ReconciliationView.of(operation, await _summary(platform.pool, operation))


@reconciliations.get(
    "/{reconciliation_id}/report.html",
    response_class=HTMLResponse,
    response_description="The report, as a page that prints.",
    openapi_extra=refuses("house_only", "reconciliation_not_found"),
)
async def get_report_page(
    reconciliation_id: Text, platform: PlatformOfApp, _caller: Reader
) -> Response:
    """Return the report as a page, which needs nothing from elsewhere."""
    operation = await _found(platform, reconciliation_id)
    rows = [row async for row in rows_of(platform.pool, operation.id, limit=_ROWS_MAX)]
    return HTMLResponse(
        as_html(await _summary(platform.pool, operation), rows),
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


@reconciliations.get(
    "/{reconciliation_id}/report.csv",
    response_class=PlainTextResponse,
    response_description="The breaks, as CSV.",
    openapi_extra=refuses("house_only", "reconciliation_not_found"),
)
async def get_report_table(
    reconciliation_id: Text, platform: PlatformOfApp, _caller: Reader
) -> Response:
    """Return the breaks as CSV, in which no spreadsheet finds a formula."""
    operation = await _found(platform, reconciliation_id)
    rows = [row async for row in rows_of(platform.pool, operation.id)]
    return PlainTextResponse(as_csv(rows), media_type="text/csv; charset=utf-8")


async def _found(platform: PlatformOfApp, operation_id: str) -> Operation:
    missing = NotFound(
        f"There is no reconciliation {operation_id}.", code=f"{KIND}_not_found", param="id"
    )
    try:
        operation = await platform.operations.get(operation_id)
    except NotFound:
        raise missing from None
    if operation.kind != KIND:
        raise missing
    log_as_about(operation)
    return operation


async def _summary(connection: Any, operation: Operation) -> Summary:
    day = from_json(ReconciliationRequest, operation.input["request"]).day
    return await summary_of(connection, operation.id, date.fromisoformat(day))
