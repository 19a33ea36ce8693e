"""Keeps Temporal's schedules as they are declared: makes, changes and deletes its own alone."""

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import InvalidInput, NotFound
from perdure.durable.queues import OPERATIONS, QueueNames
from perdure.durable.schedules.contracts import WORKFLOW, Scheduled, Terms, prefix


class Step(StrEnum):
    """What is to be done to a schedule."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """A schedule, and what is to be done to it.

    Args:
        before: How it is; None: it is not there.
        after: How it is declared; None: it is not any more.
    """

    name: str
    step: Step
    before: Terms | None
    after: Terms | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A schedule as Temporal has it.

    Args:
        terms: None: somebody else has changed it.
        note: Why it is paused, or was not.
        next_at: None: it is paused, or has no further time.
        last_at: When its latest time was taken.
        missed: How many times were not made up for.
    """

    name: str
    terms: Terms | None
    is_paused: bool
    note: str | None
    next_at: datetime | None
    last_at: datetime | None
    missed: int


class Schedules:
    """An installation's schedules at Temporal; its operations' queue tells which are its own."""

    def __init__(self, client: Client, queues: QueueNames) -> None:
        self._client = client
        self._queue = queues[OPERATIONS]
        self._prefix = prefix(self._queue)

    async def changes(self, declared: Mapping[str, Terms]) -> list[Change]:
        """Return what would have to be done for the schedules to be as they are declared."""
        there = {standing.name: standing async for standing in self.list(declared)}
        found = []
        for name in sorted({*there, *declared}):
            before = there[name].terms if name in there else None
            after = declared.get(name)
            if name not in there:
                step = Step.CREATE
            elif after is None:
                step = Step.DELETE
            else:
                step = Step.NOTHING if before == after else Step.UPDATE
            found.append(Change(name, step, before, after))
        return found

    async def apply(self, declared: Mapping[str, Terms]) -> list[Change]:
        """Do what has to be done; returns what that was. One that is paused stays so.

        Raises:
            InvalidInput: Temporal does not know a cron expression, or a timezone.
        """
        done = await self.changes(declared)
        for change in done:
            try:
                await self._carry_out(change)
            except RPCError as error:
                if error.status != RPCStatusCode.INVALID_ARGUMENT:
                    raise
                raise InvalidInput(
                    f"The schedule {change.name}: {error.message}.", param=change.name
                ) from None
        return done

    async def _carry_out(self, change: Change) -> None:
        if change.step is Step.NOTHING:
            return
        handle = self._handle(change.name)
        if change.after is None:
            await handle.delete()
            return
        schedule = self._schedule(Scheduled(change.name, change.after))
        if change.step is Step.CREATE:
            try:
                await self._client.create_schedule(handle.id, schedule)
            except ScheduleAlreadyRunningError:
                pass  # somebody else has applied the same
            else:
                return

        def updated(found: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule.state = found.description.schedule.state
            return ScheduleUpdate(schedule)

        await handle.update(updated)

    def _schedule(self, scheduled: Scheduled) -> Schedule:
        terms = scheduled.terms
        return Schedule(
            action=ScheduleActionStartWorkflow(
                WORKFLOW,
                scheduled,
                id=f"{self._prefix}{scheduled.name}",
                task_queue=self._queue,
            ),
            spec=ScheduleSpec(
                # The server makes a calendar of it, and keeps what is behind the mark.
                cron_expressions=[f"{terms.cron} #{terms.cron}"],
                time_zone_name=terms.timezone,
            ),
            policy=SchedulePolicy(
                # What it starts ends at once; each time counts, and one that comes twice is one.
                overlap=ScheduleOverlapPolicy.ALLOW_ALL,
                catchup_window=timedelta(seconds=terms.catchup_s),
            ),
            state=ScheduleState(),
        )

    async def list(self, known: Iterable[str] = ()) -> AsyncIterator[Standing]:
        """Yield this installation's schedules.

        Args:
            known: Names that are asked for by themselves: Temporal's own list is late.
        """
        names = {*known}
        async for found in await self._client.list_schedules():
            if found.id.startswith(self._prefix):
                names.add(found.id.removeprefix(self._prefix))
        for name in sorted(names):
            with suppress(NotFound):  # it is not there, or not any more
                yield await self.get(name)

    async def get(self, name: str) -> Standing:
        """Return a schedule.

        Raises:
            NotFound: `schedule_not_found`.
        """
        try:
            found = await self._handle(name).describe()
        except RPCError as error:
            raise _not_found(name, error) from None
        info, state = found.info, found.schedule.state
        last = info.recent_actions[-1].started_at if info.recent_actions else None
        return Standing(
            name,
            await self._terms_of(found),
            state.paused,
            state.note,
            info.next_action_times[0] if info.next_action_times and not state.paused else None,
            last,
            info.num_actions_missed_catchup_window,
        )

    async def _terms_of(self, found: ScheduleDescription) -> Terms | None:
        """Return a schedule's terms; None: it is not what it was made as."""
        action, spec = found.schedule.action, found.schedule.spec
        if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != WORKFLOW:
            return None
        (scheduled,) = await self._client.data_converter.decode(list(action.args), [Scheduled])
        terms: Terms = scheduled.terms
        crons = [one.comment for one in spec.calendars]
        is_as_made = (
            crons == [terms.cron]
            and (spec.time_zone_name or "UTC") == terms.timezone
            and found.schedule.policy.catchup_window == timedelta(seconds=terms.catchup_s)
            and action.task_queue == self._queue
        )
        return terms if is_as_made else None

    async def pause(self, name: str, note: str) -> None:
        """Have a schedule take no times until it is resumed; those are not made up for.

        Raises:
            NotFound: `schedule_not_found`.
        """
        await self._at(name, self._handle(name).pause(note=note))

    async def resume(self, name: str, note: str) -> None:
        """Have a paused schedule go on; raises as `pause`."""
        await self._at(name, self._handle(name).unpause(note=note))

    async def trigger(self, name: str) -> None:
        """Have a schedule take this moment as one of its times; raises as `pause`."""
        await self._at(name, self._handle(name).trigger())

    async def _at(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except RPCError as error:
            raise _not_found(name, error) from None

    def _handle(self, name: str) -> ScheduleHandle:
        return self._client.get_schedule_handle(f"{self._prefix}{name}")


def _not_found(name: str, error: RPCError) -> Exception:
    if error.status != RPCStatusCode.NOT_FOUND:
        return error
    return NotFound(
        f"There is no schedule {name}; `perdure schedules apply` makes those that are declared.",
        code="schedule_not_found",
        param="name",
    )
