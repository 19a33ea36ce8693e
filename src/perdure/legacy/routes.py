"""`/v1/legacy`: what the system before this one still holds, and moving it here."""

import asyncio
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import PAGE_LIMIT_MAX, ReasonBody, Text, WholeList
from perdure.core.clock import utc_now
from perdure.legacy import queue
from perdure.legacy.comparing import compared_since, differing_since
from perdure.legacy.moving import move
from perdure.legacy.shadow import FOR_GOOD, MEANINGS, Difference
from perdure.legacy.ways import legacy_ways

MOVED_AT_ONCE: Final = 100
_LOOKS_BACK: Final = timedelta(days=30)

router = APIRouter(prefix="/v1/legacy", tags=["legacy"])

Reader = Annotated[ApiKey, Depends(house_caller_with("operations:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("operations:write"))]


class BacklogView(BaseModel):
    """What the system that Perdure replaces still holds in one of its parts."""

    object: Literal["legacy_backlog"] = "legacy_backlog"
    kind: str = Field(description="The kind of operation: `renewal`, `trade`.")
    part: str = Field(description="The registry, or the asset: `registry-info`, `asset-GEM`.")
    queued: int = Field(description="How many wait.")
    running: int = Field(description="How many one of its workers has.")
    failing: int = Field(description="How many could not be done, and are tried again.")
    oldest_at: datetime | None = Field(
        description="Since when the one that waits longest is there; null: none waits."
    )


class MovedView(BaseModel):
    """How many operations are Perdure's from now on."""

    object: Literal["legacy_moved"] = "legacy_moved"
    moved: int = Field(description="How many were moved.")
    has_more: bool = Field(description="Whether there may be more: ask again.")


class ShadowQuery(BaseModel):
    """Which comparisons."""

    since: datetime | None = Field(
        default=None, description="Those made since then; left out: of the last 30 days."
    )
    limit: int = Field(
        default=10, ge=0, le=PAGE_LIMIT_MAX, description="How many that differ are shown."
    )


class DifferenceCountView(BaseModel):
    """How many differ for one reason."""

    kind: str = Field(description="The kind of operation: `trade`.")
    difference: Difference = Field(description="Why they are not the same.")
    is_for_good: bool = Field(description="It has to be so, and says nothing against Perdure.")
    meaning: str = Field(description="In one sentence.")
    count: int = Field(description="How many.")


class DifferingView(BaseModel):
    """One that Perdure would have carried out otherwise."""

    operation_id: str
    kind: str = Field(description="The kind of operation: `trade`.")
    difference: Difference = Field(description="Why they are not the same.")
    is_for_good: bool = Field(description="It has to be so, and says nothing against Perdure.")
    compared_at: datetime = Field(description="When it was compared.")
    parts: dict[str, Any] = Field(
        description="Where they differ, each as Perdure would have it, and as it is."
    )


class ShadowView(BaseModel):
    """What the old system carried out, compared with what Perdure would have done of it."""

    object: Literal["legacy_shadow"] = "legacy_shadow"
    since: datetime = Field(description="Since when they were compared.")
    compared: int = Field(description="How many were compared.")
    equal: int = Field(description="In how many of them both do the same.")
    differences: list[DifferenceCountView] = Field(description="The others, by reason.")
    newest: list[DifferingView] = Field(description="Those that differ, the newest first.")


@router.get("", openapi_extra=refuses("house_only"))
async def list_backlogs(platform: PlatformOfApp, _caller: Reader) -> WholeList[BacklogView]:
    """List what the system before this one still holds, by its parts; nothing, once drained."""
    found = await queue.backlogs(platform.pool)
    return WholeList(data=[BacklogView(**asdict(one)) for one in found], url=router.prefix)


@router.get("/shadow", openapi_extra=refuses("house_only"))
async def show_shadow(
    platform: PlatformOfApp, _caller: Reader, query: Annotated[ShadowQuery, Query()]
) -> ShadowView:
    """Compare what the old system carried out with what Perdure would have done of it.

    What it has ended is compared within seconds, by Perdure's own script, without any effect.
    """
    since = query.since or utc_now() - _LOOKS_BACK
    counted = await compared_since(platform.pool, since)
    differing = await differing_since(platform.pool, since, limit=query.limit)
    return ShadowView(
        since=since,
        compared=sum(one.count for one in counted),
        equal=sum(one.count for one in counted if one.difference is None),
        differences=[
            DifferenceCountView(
                kind=one.kind,
                difference=one.difference,
                is_for_good=one.difference in FOR_GOOD,
                meaning=MEANINGS[one.difference],
                count=one.count,
            )
            for one in counted
            if one.difference is not None
        ],
        newest=[
            DifferingView(**asdict(one) | {"is_for_good": one.difference in FOR_GOOD})
            for one in differing
        ],
    )


@router.post("/{part}/move", openapi_extra=refuses("house_only"))
async def move_operations(
    part: Annotated[Text, Path(description="As `GET /v1/legacy` names it.")],
    body: ReasonBody,
    platform: PlatformOfApp,
    caller: Writer,
) -> MovedView:
    """Move what the old system holds in one part to Perdure, 100 at most.

    What one of its workers has at the moment is left to it.
    """
    async with platform.operations.transaction() as connection:
        moved = await move(
            connection,
            legacy_ways(),
            part,
            actor=caller.actor,
            reason=body.reason,
            limit=MOVED_AT_ONCE,
        )
    await asyncio.gather(*(platform.operations.begin(operation) for operation in moved))
    return MovedView(moved=len(moved), has_more=len(moved) == MOVED_AT_ONCE)
