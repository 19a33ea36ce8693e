"""Permits as processes hand them out, on one budget in the database (R-4, R-5)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from perdure.core.errors import (
    EARLIER_CALL_UNDER_WAY,
    NotFound,
    PerdureError,
    ProviderDeclined,
    ProviderError,
    ProviderNotCalled,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.ids import new_id
from perdure.limits import store
from perdure.limits.model import BudgetState, Limit, Standing
from perdure.limits.permits import Permits
from perdure.limits.rules import FAILURES_MAX
from perdure.storage.pool import Pool
from tests.polls import eventually


@pytest.fixture
def provider() -> str:
    return new_id("prv")


@pytest.fixture
async def processes(pool: Pool) -> AsyncIterator[list[Permits]]:
    opened = [Permits(pool) for _ in range(3)]
    yield opened
    for permits in opened:
        await permits.close()


async def set_limit(pool: Pool, provider: str, **figures: float | int) -> None:
    limit = Limit(provider, **figures)  # type: ignore[arg-type]
    await store.set_limit(pool, limit, actor="test", reason="test")


async def flood(
    permits: Permits, provider: str, call: Callable[[], object], *, callers: int = 50
) -> list[asyncio.Task[None]]:
    """Have callers call the provider again and again."""

    async def caller() -> None:
        while True:
            async with permits.permit(provider):
                call()
                await asyncio.sleep(0)

    return [asyncio.create_task(caller()) for _ in range(callers)]


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_rate_holds_over_all_processes_r5(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, per_second=100)
    calls: list[int] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = [
        task
        for number, permits in enumerate(processes)
        for task in await flood(permits, provider, partial(calls.append, number))
    ]
    await eventually(lambda: len(calls) >= 250)
    took_s = loop.time() - began
    await end(tasks)

    # A call more for each process: the schedule begins with one.
    assert len(calls) <= took_s * 100 * 1.05 + 10
    assert set(calls) == {0, 1, 2}, "each process has its part"


async def test_places_hold_over_all_processes_and_go_round_r4(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, at_once=2)
    under_way, most = 0, 0
    served: list[int] = []

    async def caller(number: int, permits: Permits) -> None:
        nonlocal under_way, most
        while True:
            async with permits.permit(provider):
                under_way += 1
                most = max(most, under_way)
                served.append(number)
                await asyncio.sleep(0.01)
                under_way -= 1

    tasks = [
        asyncio.create_task(caller(number, permits))
        for number, permits in enumerate(processes)
        for _ in range(5)
    ]
    await eventually(lambda: set(served) == {0, 1, 2})
    await end(tasks)

    assert most == 2


async def test_a_changed_limit_is_felt_by_what_waits_r5(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, per_second=0.01)
    calls: list[int] = []
    tasks = await flood(processes[0], provider, lambda: calls.append(1))
    await eventually(lambda: bool(calls))

    await set_limit(pool, provider, per_second=500)

    await eventually(lambda: len(calls) >= 50)
    await store.remove_limit(pool, provider, actor="test", reason="test")
    before = len(calls)
    await eventually(lambda: len(calls) >= before + 2000)
    await end(tasks)


async def test_a_limit_set_while_nobody_called_holds_from_the_first_call_r5(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    async with processes[0].permit(provider):
        pass  # it has read the limits; there is none
    await asyncio.sleep(2.2)
    await set_limit(pool, provider, per_second=0.01)

    calls: list[int] = []
    tasks = await flood(processes[0], provider, lambda: calls.append(1))
    await eventually(lambda: bool(calls))
    await asyncio.sleep(0.5)
    await end(tasks)

    assert len(calls) == 1


async def test_what_a_process_held_falls_free_when_it_ends(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, at_once=1)
    first, second, _ = processes
    async with first.permit(provider):
        with pytest.raises(ProviderRateLimited):
            async with second.within(0.5)(provider):
                pass
    await first.close()

    async with asyncio.timeout(60), second.permit(provider):
        (status,) = [one for one in await store.statuses(pool) if one.limit.provider == provider]
    assert status.under_way <= 1


@pytest.mark.parametrize(
    "error",
    [
        ProviderRateLimited("Slow down.", retry_after_s=7200),
        ProviderUnavailable("Maintenance.", asked_wait_s=7200),
        ProviderOutcomeUnknown("Maintenance.", asked_wait_s=7200),
    ],
    ids=["429", "503 to a question", "503 to a call"],
)
@pytest.mark.parametrize("figures", [{}, {"per_second": 1000}], ids=["no limit", "limit"])
async def test_a_provider_that_asks_to_wait_is_left_alone_by_all(
    pool: Pool,
    provider: str,
    processes: list[Permits],
    error: ProviderError,
    figures: dict[str, float],
) -> None:
    if figures:
        await set_limit(pool, provider, **figures)
    first, second, _ = processes
    with pytest.raises(ProviderError):
        async with first.permit(provider):
            raise error
    await poll_state(pool, provider, BudgetState.PAUSED)

    with pytest.raises(ProviderNotCalled):
        async with second.within(0.3)(provider):
            pass
    (status,) = [one for one in await store.statuses(pool) if one.limit.provider == provider]
    assert status.standing.until is not None
    assert 7190 < (status.standing.until - status.standing.now).total_seconds() <= 7200


async def poll_state(pool: Pool, provider: str, state: BudgetState) -> None:
    async def is_so() -> bool:
        found = {one.limit.provider: one.state for one in await store.statuses(pool)}
        return found.get(provider) == state

    await eventually(is_so)


@pytest.mark.parametrize("figures", [{}, {"per_second": 1000}], ids=["no limit", "limit"])
async def test_a_provider_that_is_away_is_called_no_more_than_to_see_whether_it_is_back(
    pool: Pool, provider: str, processes: list[Permits], figures: dict[str, float]
) -> None:
    if figures:
        await set_limit(pool, provider, **figures)
    is_away, calls = True, 0

    async def caller(permits: Permits) -> None:
        nonlocal calls
        while True:
            with contextlib.suppress(ProviderUnavailable):
                async with permits.permit(provider):
                    calls += 1
                    await asyncio.sleep(0.001)
                    if is_away:
                        raise ProviderUnavailable("Away.")
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(caller(permits)) for permits in processes for _ in range(3)]
    await poll_state(pool, provider, BudgetState.BROKEN)
    # What was under way when the breaker opened may add to them, but not go on.
    broke_at = calls
    assert broke_at >= FAILURES_MAX
    await asyncio.sleep(0.5)
    assert calls <= broke_at + FAILURES_MAX * 3

    is_away = False
    await poll_state(pool, provider, BudgetState.OPEN)
    after = calls
    await eventually(lambda: calls >= after + 100)
    await end(tasks)


async def test_a_provider_that_is_well_and_has_no_limit_costs_the_database_nothing(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    for _ in range(50):
        async with processes[0].permit(provider):
            await asyncio.sleep(0)

    assert provider not in {one.limit.provider for one in await store.statuses(pool)}


async def test_a_few_failures_among_answers_are_told_with_those_of_other_processes(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    async def call(permits: Permits, *, fails: bool) -> None:
        with contextlib.suppress(ProviderUnavailable):
            async with permits.permit(provider) as permit:
                permit.work = "charge"
                if fails:
                    raise ProviderUnavailable("Away.")

    async def standing() -> Standing:
        (found,) = [one for one in await store.statuses(pool, [provider]) if is_it(one)]
        return found.standing

    def is_it(status: store.LimitStatus) -> bool:
        return status.limit.provider == provider

    assert (await standing()).failing_since is None

    async def it_is_told() -> Standing | None:
        await call(processes[0], fails=True)
        told = await standing()
        return told if told.failing_since else None

    async def it_is_not_told_any_more() -> Standing | None:
        await call(processes[1], fails=False)
        told = await standing()
        return None if told.failing_since else told

    told = await eventually(it_is_told)
    assert told.failing_share == 1
    told = await eventually(it_is_not_told_any_more, pause_s=0.05)
    assert told.failing_share is not None
    assert told.failing_share < 1


@pytest.mark.parametrize(
    "error",
    [
        ProviderDeclined("No."),
        ProviderOutcomeUnknown("May be under way.", code=EARLIER_CALL_UNDER_WAY),
    ],
    ids=["a refusal", "a dead worker's call"],
)
async def test_what_says_nothing_against_a_provider_is_no_failure(
    pool: Pool, provider: str, processes: list[Permits], error: PerdureError
) -> None:
    await set_limit(pool, provider, per_second=1000)
    for _ in range(FAILURES_MAX * 2):
        with pytest.raises(type(error)):
            async with processes[0].permit(provider):
                raise error
    assert not processes[0].is_away(provider)

    async with asyncio.timeout(60), processes[0].permit(provider):
        pass


async def test_a_caller_that_gives_up_leaves_its_turn_to_the_next(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, at_once=1)
    permits = processes[0]
    entered = asyncio.Event()

    async def wait_for_it() -> None:
        async with permits.permit(provider):
            entered.set()

    async with permits.permit(provider):
        impatient = asyncio.create_task(wait_for_it())
        patient = asyncio.create_task(wait_for_it())
        await asyncio.sleep(0)
        impatient.cancel()
    async with asyncio.timeout(60):
        await patient

    assert impatient.cancelled()
    assert entered.is_set()


async def test_who_changed_a_limit_and_why_is_kept(pool: Pool, provider: str) -> None:
    await store.set_limit(pool, Limit(provider, 20, 10), actor="ann", reason="their new contract")
    await store.set_limit(pool, Limit(provider, 40), actor="bob", reason="the 1st of the month")
    await store.remove_limit(pool, provider, actor="ann", reason="it has none any more")

    changes = await store.changes(pool, provider)

    assert [(change.actor, change.before, change.after) for change in changes] == [
        ("ann", {"per_second": 40, "at_once": None}, None),
        ("bob", {"per_second": 20, "at_once": 10}, {"per_second": 40, "at_once": None}),
        ("ann", None, {"per_second": 20, "at_once": 10}),
    ]
    with pytest.raises(NotFound):
        await store.remove_limit(pool, provider, actor="ann", reason="again")


async def test_one_call_beside_a_flood_of_another_process_has_its_turn(
    pool: Pool, provider: str, processes: list[Permits]
) -> None:
    await set_limit(pool, provider, per_second=200, at_once=5)
    crowd, single, _ = processes

    async def caller() -> None:
        while True:
            async with crowd.permit(provider, is_one_of_many=True):
                await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(caller()) for _ in range(200)]
    await asyncio.sleep(0.5)
    for _ in range(5):
        async with single.within(10)(provider):
            pass
        # Long enough for the process to give up what it held.
        await asyncio.sleep(0.3)
    await end(tasks)
