"""`/v1/legacy`: what the system before this one still holds, and moving it here."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import ReasonBody, Text, WholeList
from perdure.legacy import queue
from perdure.legacy.moving import move
from perdure.legacy.ways import legacy_ways

MOVED_AT_ONCE: Final = 100

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


@router.get("", openapi_extra=refuses("house_only"))
async def list_backlogs(platform: PlatformOfApp, _caller: Reader) -> WholeList[BacklogView]:
    """List what the system before this one still holds, by its parts; nothing, once drained."""
    found = await queue.backlogs(platform.pool)
    return WholeList(data=[BacklogView(**asdict(one)) for one in found], url=router.prefix)


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
