"""A lane that runs hears at once that an operation was accepted in it, whoever accepted it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import asyncpg
import pytest

from perdure.operations import store
from perdure.operations.lanes import source as lane_source
from perdure.operations.lanes.calls import LaneCalls, LaneListener
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.work import Stretch
from perdure.operations.service import OperationService
from perdure.storage.pool import Pool
from tests.integration.cli.conftest import RecordingEngine
from tests.polls import eventually

from .scripted_lane import LIMITS, Lane

NUMBERS = count()
_HEARS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perdure-lane-listener'"


@pytest.fixture
async def listener(database_url: str) -> AsyncIterator[LaneListener]:
    async with LaneListener(database_url) as opened:
        yield opened


@pytest.fixture
def kind() -> str:
    return f"called_{next(NUMBERS)}"


@contextmanager
def hearing(listener: LaneListener, kind: str, *numbers: int) -> Iterator[list[asyncio.Event]]:
    if not numbers:
        yield []
        return
    with (
        listener.hear(kind, numbers[0]) as called,
        hearing(listener, kind, *numbers[1:]) as others,
    ):
        yield [called, *others]


async def until_it_listens(pool: Pool) -> int:
    """Return the process of the database that serves the listener."""
    pid: int = await eventually(
        lambda: pool.fetchval(f"{_HEARS} AND query LIKE 'LISTEN%' AND state = 'idle'")
    )
    return pid


async def until_done(stretch: Stretch, operations: int) -> None:
    await eventually(lambda: stretch.done == operations)


async def is_set(called: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(60):
            return await called.wait()
    except TimeoutError:
        return False


async def test_a_call_is_heard_by_its_lane_and_no_other(
    pool: Pool, listener: LaneListener, kind: str
) -> None:
    calls = LaneCalls(pool)
    with hearing(listener, kind, 0, 1) as (called, other), listener.hear(f"{kind}x", 0) as another:
        await until_it_listens(pool)
        await asyncio.gather(*(calls.call(kind, 0) for _ in range(50)))
        assert await is_set(called)
        await calls.call(f"{kind}y", 0)
        assert not other.is_set()
        assert not another.is_set()


async def test_who_does_not_run_any_more_is_not_called(
    pool: Pool, listener: LaneListener, kind: str
) -> None:
    calls = LaneCalls(pool)
    with listener.hear(kind, 0) as before:
        await until_it_listens(pool)
    with listener.hear(kind, 0) as called:
        await calls.call(kind, 0)
        assert await is_set(called)
    assert not before.is_set()


async def test_a_listener_whose_connection_is_lost_hears_again(
    pool: Pool, listener: LaneListener, kind: str
) -> None:
    calls = LaneCalls(pool)
    with listener.hear(kind, 0) as called:
        lost = await until_it_listens(pool)
        await pool.execute("SELECT pg_terminate_backend($1)", lost)

        async def is_heard() -> bool:
            await calls.call(kind, 0)
            return called.is_set()

        await eventually(is_heard)
        assert await until_it_listens(pool) != lost


async def test_a_listener_that_is_closed_leaves_no_connection(
    pool: Pool, database_url: str, kind: str
) -> None:
    async with LaneListener(database_url) as listener:
        with listener.hear(kind, 0):
            pid = await until_it_listens(pool)

    async def is_gone() -> bool:
        return pid not in [row["pid"] for row in await pool.fetch(_HEARS)]

    await eventually(is_gone)


async def test_a_call_that_is_lost_with_the_database_is_no_error(kind: str) -> None:
    away = await asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)
    await LaneCalls(away).call(kind, 0)
    away.terminate()


async def test_an_accepted_operation_is_carried_out_at_once(
    pool: Pool, listener: LaneListener, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks by himself here, and no workflow is signalled: only the call is left."""
    monkeypatch.setattr(lane_source, "_LOOK_AGAIN_S", 3600)
    lane = Lane(pool, kind, [], {}, Counter(), [])
    service = OperationService(pool, RecordingEngine())
    runner = LaneRunner(
        pool,
        {kind: lane.process},
        lane.launch,
        limits=replace(LIMITS, idle_s=3600),
        hear=listener.hear,
    )
    stretch = Stretch()
    running = asyncio.create_task(runner.run(kind, 0, stretch))
    await until_it_listens(pool)
    for done in range(1, 6):
        [added] = await lane.add(1)
        await service.begin(await store.get(pool, added))
        await until_done(stretch, done)
    stretch.over.set()
    async with asyncio.timeout(60):
        await running
    await service.close()


async def test_a_service_that_is_closed_rings_no_more(pool: Pool, kind: str) -> None:
    engine = RecordingEngine()
    service = OperationService(pool, engine)
    lane = Lane(pool, kind, [], {}, Counter(), [])
    for found in await lane.add(3):
        await service.begin(await store.get(pool, found))
    await service.close()
    await asyncio.sleep(1.5)
    assert engine.lanes == [(kind, 0)]
