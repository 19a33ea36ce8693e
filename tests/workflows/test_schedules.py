"""Schedules on the real server: kept as they are declared; each of their times is one operation."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
)

from perdure.bootstrap import compose, open_registrations
from perdure.capability.recurring import declared
from perdure.config import Settings
from perdure.core.clock import utc_now
from perdure.core.errors import ConfigurationError, InvalidInput, NotFound
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.schedules.contracts import Terms
from perdure.durable.schedules.converging import Schedules, Step
from perdure.storage.pool import Pool, open_pool
from perdure.testing.house import until_status
from perdure.worker.main import build_worker
from perdure.worker.plans import work_of
from tests.polls import eventually
from tests.servers import migrated_database

from .worker import own_queues

NIGHTLY = Terms("30 2 * * *")


async def _is_gone(schedules: Schedules, name: str) -> bool:
    await schedules.apply({})
    return [one async for one in schedules.list([name])] == []


@pytest.fixture
async def names(temporal_client: Client) -> AsyncIterator[QueueNames]:
    queues = own_queues((OPERATIONS, LANES))
    yield queues
    await eventually(lambda: _is_gone(Schedules(temporal_client, queues), "reconciliation"))


def _steps(found: list[object]) -> dict[str, str]:
    return {one.name: one.step.value for one in found}  # type: ignore[attr-defined]


async def test_schedules_are_kept_as_they_are_declared(
    temporal_client: Client, names: QueueNames
) -> None:
    schedules = Schedules(temporal_client, names)
    others = await temporal_client.create_schedule(
        f"other-{uuid4().hex}",
        Schedule(
            ScheduleActionStartWorkflow("Other", id="other", task_queue="nobody"),
            ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(days=300))]),
        ),
    )
    wanted = {"nightly": NIGHTLY, "hourly": Terms("0 * * * *", "Europe/Berlin", 60)}
    assert _steps([*await schedules.changes(wanted)]) == {"nightly": "create", "hourly": "create"}
    assert [one async for one in schedules.list(wanted)] == []
    await schedules.apply(wanted)
    assert _steps([*await schedules.apply(wanted)]) == {"nightly": "nothing", "hourly": "nothing"}

    # One that is paused stays so, whatever else of it is changed.
    await schedules.pause("nightly", "bob: holidays")

    # What is not declared any more goes, once Temporal's list has it.
    async def hourly_is_gone() -> bool:
        await schedules.apply({"nightly": Terms("0 3 * * *")})
        return [one.name async for one in schedules.list(wanted)] == ["nightly"]

    await eventually(hourly_is_gone)
    (left,) = [one async for one in schedules.list(wanted)]
    assert (left.name, left.terms, left.is_paused) == ("nightly", Terms("0 3 * * *"), True)
    assert left.note == "bob: holidays"
    await schedules.resume("nightly", "bob: back")

    # What somebody changes by hand is put right.
    def changed(found: object) -> ScheduleUpdate:
        schedule = found.description.schedule  # type: ignore[attr-defined]
        schedule.spec = ScheduleSpec(cron_expressions=["0 5 * * *"])
        return ScheduleUpdate(schedule)

    handle = temporal_client.get_schedule_handle(f"{names[OPERATIONS]}-schedule-nightly")
    await handle.update(changed)
    (change,) = [
        one
        for one in await schedules.changes({"nightly": Terms("0 3 * * *")})
        if one.name == "nightly"
    ]
    assert (change.step, change.before) == (Step.UPDATE, None)
    await schedules.apply({"nightly": Terms("0 3 * * *")})
    assert (await schedules.get("nightly")).terms == Terms("0 3 * * *")

    with pytest.raises(InvalidInput, match="nightly"):
        await schedules.apply({"nightly": Terms("every now and then")})
    await eventually(lambda: _is_gone(schedules, "nightly"))
    with pytest.raises(NotFound, match="There is no schedule nightly"):
        await schedules.trigger("nightly")
    await others.describe()
    await others.delete()


async def test_a_schedule_that_overlaps_itself_makes_one_reconciliation_of_a_day_e4(
    temporal_client: Client, postgres_url: str, names: QueueNames
) -> None:
    async with migrated_database(postgres_url) as url, open_pool(url, size=10) as pool:
        settings = Settings(
            DATABASE_URL=url,
            queues={queue: names[queue] for queue in (OPERATIONS, LANES)},
            workflow_sandbox=True,
        )
        platform = compose(settings, pool, temporal_client)
        schedules = Schedules(temporal_client, names)
        await schedules.apply(declared(settings))
        async with AsyncExitStack() as stack:
            registrations = await stack.enter_async_context(open_registrations(platform))
            for role in ("operations", "lanes"):
                (work,) = work_of(role, platform.kinds, registrations)
                await stack.enter_async_context(build_worker(platform, work))

            async def was_taken_twice() -> bool:
                await schedules.trigger("reconciliation")
                found = temporal_client.list_workflows(
                    f"TaskQueue = '{names[OPERATIONS]}' AND WorkflowType = 'Scheduled'"
                    " AND ExecutionStatus = 'Completed'"
                )
                return len([one async for one in found]) >= 2

            # Two in one second are one to Temporal too.
            await eventually(was_taken_twice, pause_s=1)
            operation_id = await _only_one(pool)
            await until_status(platform, operation_id, {"succeeded"})
        await platform.close()
        yesterday = (utc_now() - timedelta(days=1)).date()
        rows = await pool.fetch("SELECT reference FROM operations WHERE kind = 'reconciliation'")
        assert [row["reference"] for row in rows] == [yesterday.isoformat()]


async def _only_one(pool: Pool) -> str:
    found: str = await pool.fetchval("SELECT id FROM operations WHERE kind = 'reconciliation'")
    return found


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"nothing": None}, "nothing that recurs is called nothing"),
        ({"reconciliation": {"every": "day"}}, "cron, timezone and catchup_s, and nothing else"),
        ({"reconciliation": {"catchup_s": 1}}, "catchup_s of reconciliation is 10 or more"),
    ],
)
def test_a_setting_that_declares_nothing_is_named(said: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        declared(Settings(schedules=said))


def test_what_recurs_does_as_it_is_declared_or_as_the_settings_say() -> None:
    assert declared(Settings()) == {"reconciliation": NIGHTLY}
    own = Settings(schedules={"reconciliation": {"timezone": "Europe/Berlin"}})
    assert declared(own) == {"reconciliation": Terms("30 2 * * *", "Europe/Berlin")}
    assert declared(Settings(schedules={"reconciliation": None})) == {}
