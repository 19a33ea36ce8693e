"""`/v1/lanes`: where a flood of operations is carried out, and what somebody waits for."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import WholeList
from perdure.bootstrap import Platform
from perdure.core.errors import ProviderUnavailable
from perdure.durable.lanes.reporting import LaneReporting
from perdure.operations.lanes.store import LaneBacklog, backlogs, place_of
from perdure.operations.lanes.workers import InteractiveWorker, interactive_workers

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


class PromotionsView(BaseModel):
    """Why operations left a worker's interactive lanes."""

    reason: str = Field(description="What stood in the way: the step, and what it met.")
    count: int = Field(description="How many it was so for within the last minute.")


class InteractiveWorkerView(BaseModel):
    """A worker that carries out what somebody waits for, of all kinds."""

    object: Literal["interactive_worker"] = "interactive_worker"
    worker: str = Field(description="Its machine, and its process there.")
    lanes: list[int] = Field(
        description="Which of the eight interactive lanes it has, from 0 on; all have their worker."
    )
    under_way: int = Field(description="How many operations it carries out now.")
    done_in_last_minute: int = Field(description="How many ended in its lanes, in a minute.")
    promoted_in_last_minute: int = Field(
        description="How many left them for workflows of their own, in a minute."
    )
    promoted_because: list[PromotionsView] = Field(
        description="The five commonest reasons for that, the commonest first."
    )
    seen_at: datetime = Field(description="When it last told this; it does each second.")

    @classmethod
    def of(cls, worker: InteractiveWorker) -> Self:
        """Return what a worker told."""
        because = sorted(worker.promoted_because.items(), key=lambda one: -one[1])
        return cls(
            worker=worker.name,
            lanes=[place_of(lane) for lane in worker.lanes],
            under_way=worker.under_way,
            done_in_last_minute=worker.done,
            promoted_in_last_minute=worker.promoted,
            promoted_because=[PromotionsView(reason=why, count=count) for why, count in because],
            seen_at=worker.seen_at,
        )


@router.get("", openapi_extra=refuses("house_only"))
async def list_lanes(platform: PlatformOfApp, _caller: Reader) -> WholeList[LaneView]:
    """List the lanes in which something is left to do, and what each did so far."""
    return WholeList(data=await lanes_of(platform), url=router.prefix)


@router.get("/interactive", openapi_extra=refuses("house_only"))
async def list_interactive_workers(
    platform: PlatformOfApp, _caller: Reader
) -> WholeList[InteractiveWorkerView]:
    """List the workers that carry out what somebody waits for, with the lanes that each has."""
    found = [InteractiveWorkerView.of(one) for one in await interactive_workers(platform.pool)]
    return WholeList(data=found, url=f"{router.prefix}/interactive")


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
