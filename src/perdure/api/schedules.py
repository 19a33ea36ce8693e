"""`/v1/schedules`: what recurs, as it is declared and as Temporal has it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from perdure.api.authentication import PlatformOfApp, house_caller_with
from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.api.schemas import ReasonBody, RequestBody, Text, WholeList
from perdure.bootstrap import Platform
from perdure.capability.recurring import declared, recurring
from perdure.durable.schedules.contracts import Terms
from perdure.durable.schedules.converging import Change, Schedules, Standing, Step

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

Reader = Annotated[ApiKey, Depends(house_caller_with("schedules:read"))]
Writer = Annotated[ApiKey, Depends(house_caller_with("schedules:write"))]


class TermsView(BaseModel):
    """When something recurs."""

    cron: str = Field(description="Minute, hour, day, month, weekday.")
    timezone: str = Field(description="Whose clock that is.")
    catchup_s: int = Field(description="How long a time is made up for that nobody was there at.")

    @classmethod
    def of(cls, terms: Terms | None) -> "TermsView | None":
        """Show them, if there are any."""
        if terms is None:
            return None
        return cls(cron=terms.cron, timezone=terms.timezone, catchup_s=terms.catchup_s)


class ScheduleView(BaseModel):
    """A schedule, as Temporal has it."""

    object: Literal["schedule"] = "schedule"
    name: str
    help: str = Field(description="What is done at each time.")
    terms: TermsView | None = Field(description="When; null: it is not as it was made.")
    is_paused: bool = Field(description="Whether its times are passed over.")
    note: str | None = Field(description="Why it was paused, or resumed.")
    next_at: datetime | None = Field(description="Its next time.")
    last_at: datetime | None = Field(description="When its latest time was taken.")
    missed: int = Field(description="How many times were too long ago to be made up for.")

    @classmethod
    def of(cls, found: Standing) -> "ScheduleView":
        """Show one."""
        known = recurring().get(found.name)
        return cls(
            name=found.name,
            help=known.help if known else "Nothing that this installation knows.",
            terms=TermsView.of(found.terms),
            is_paused=found.is_paused,
            note=found.note,
            next_at=found.next_at,
            last_at=found.last_at,
            missed=found.missed,
        )


class ChangeView(BaseModel):
    """What is to be done to a schedule, or was."""

    object: Literal["schedule_change"] = "schedule_change"
    name: str
    step: Step = Field(description="`create`, `update`, `delete` or `nothing`.")
    before: TermsView | None = Field(description="How it was; null: not there, or changed by hand.")
    after: TermsView | None = Field(description="How it is declared; null: it is not.")

    @classmethod
    def of(cls, change: Change) -> "ChangeView":
        """Show one."""
        return cls(
            name=change.name,
            step=change.step,
            before=TermsView.of(change.before),
            after=TermsView.of(change.after),
        )


class ApplyBody(RequestBody):
    """Whether anything is done."""

    dry_run: bool = Field(default=False, description="Only tell what would be done.")


def _schedules(platform: Platform) -> Schedules:
    return Schedules(platform.client, platform.queues)


@router.get("", openapi_extra=refuses("house_only"))
async def list_schedules(platform: PlatformOfApp, _caller: Reader) -> WholeList[ScheduleView]:
    """List this installation's schedules, as Temporal has them."""
    found = [ScheduleView.of(one) async for one in _schedules(platform).list(recurring())]
    return WholeList(data=found, url=router.prefix)


@router.post("/apply", openapi_extra=refuses("house_only"))
async def apply_schedules(
    body: ApplyBody, platform: PlatformOfApp, _caller: Writer
) -> WholeList[ChangeView]:
    """Make, change and delete schedules, so that they are as the settings declare them."""
    schedules, wanted = _schedules(platform), declared(platform.settings)
    changes = await (schedules.changes(wanted) if body.dry_run else schedules.apply(wanted))
    return WholeList(data=[ChangeView.of(one) for one in changes], url=f"{router.prefix}/apply")


@router.post("/{name}/pause", openapi_extra=refuses("house_only", "schedule_not_found"))
async def pause_schedule(
    name: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> ScheduleView:
    """Pass over a schedule's times until it is resumed; these are not made up for."""
    schedules = _schedules(platform)
    await schedules.pause(name, f"{caller.actor}: {body.reason}")
    return ScheduleView.of(await schedules.get(name))


@router.post("/{name}/resume", openapi_extra=refuses("house_only", "schedule_not_found"))
async def resume_schedule(
    name: Text, body: ReasonBody, platform: PlatformOfApp, caller: Writer
) -> ScheduleView:
    """Take a schedule's times again."""
    schedules = _schedules(platform)
    await schedules.resume(name, f"{caller.actor}: {body.reason}")
    return ScheduleView.of(await schedules.get(name))


@router.post("/{name}/trigger", openapi_extra=refuses("house_only", "schedule_not_found"))
async def trigger_schedule(name: Text, platform: PlatformOfApp, _caller: Writer) -> ScheduleView:
    """Take this moment as one of a schedule's times; paused or not."""
    schedules = _schedules(platform)
    await schedules.trigger(name)
    return ScheduleView.of(await schedules.get(name))
