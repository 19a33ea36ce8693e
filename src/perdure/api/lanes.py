"""`/v1/lanes`: where a flood of operations is carried out."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import WholeList
from perdure.bootstrap import Platform
from perdure.core.errors import ProviderUnavailable
from perdure.durable.lanes.reporting import LaneReporting
from perdure.operations.lanes.store import LaneBacklog, backlogs

router = APIRouter(prefix="/v1/lanes", tags=["lanes"])

Reader = Annotated[ApiKey, Depends(house_caller_with("operations:read"))]


class LaneView(BaseModel):
    """A lane in which something is left to do."""

    object: Literal["lane"] = "lane"
    kind: str
    number: int = Field(description="Which of its kind's lanes it is.")
    count: int = Field(description="How many operations in it have not ended.")
    oldest_at: datetime = Field(description="When the first of them was accepted.")
    workflow: Literal["running", "not running", "not answering"] = Field(
        description="How its workflow is; one that does not run is started within seconds."
    )
    done: int | None = Field(
        description="How many ended in it since its workflow began; null: nobody tells."
    )
    promoted: int | None = Field(
        description="How many left it for a workflow of their own since then; null: nobody tells."
    )


@router.get("", openapi_extra=refuses("house_only"))
async def list_lanes(platform: PlatformOfApp, _caller: Reader) -> WholeList[LaneView]:
    """List the lanes in which something is left to do, and what each did so far."""
    return WholeList(data=await lanes_of(platform), url=router.prefix)


async def lanes_of(platform: Platform) -> list[LaneView]:
    """Return the lanes in which something is left to do."""
    reporting = LaneReporting(platform.client, platform.queues)
    found = await backlogs(platform.pool)
    return await asyncio.gather(*(_lane(reporting, backlog) for backlog in found))


async def _lane(reporting: LaneReporting, backlog: LaneBacklog) -> LaneView:
    shown = {**asdict(backlog), "done": None, "promoted": None}
    try:
        lane = await reporting.progress(backlog.kind, backlog.number)
    except ProviderUnavailable:
        return LaneView(**shown, workflow="not answering")
    if lane is None:
        return LaneView(**shown, workflow="not running")
    return LaneView(**shown | {"done": lane.done, "promoted": lane.promoted}, workflow="running")
