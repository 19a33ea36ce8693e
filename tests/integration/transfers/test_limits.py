"""One limit of the bank holds for both gears, and only what calls the bank waits (R-4, R-5)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count, pairwise

import pytest

from perdure.core.errors import Conflict
from perdure.durable.interceptors import provider_limits
from perdure.limits import store
from perdure.limits.model import Limit
from perdure.operations.model import By, Status
from perdure.transfers.contracts import BANK, KIND
from tests.integration.payments.town import Town
from tests.polls import eventually

from .transfers import accept, transfer

_lanes = count(40)


@asynccontextmanager
async def limited(town: Town, **figures: float) -> AsyncIterator[None]:
    """Have the bank be called so often, while the context is open."""
    await set_limit(town, **figures)
    try:
        yield
    finally:
        await store.remove_limit(town.platform.pool, BANK, actor="tests", reason="the test's end")


async def set_limit(town: Town, **figures: float) -> None:
    limit = Limit(BANK, **figures)  # type: ignore[arg-type]
    await store.set_limit(town.platform.pool, limit, actor="tests", reason="a test")
    # Longer than any process goes by what it read before.
    await asyncio.sleep(1.5)


async def calls(town: Town, operation_ids: list[str]) -> list[tuple[datetime, datetime, int, str]]:
    """Return when the payouts were asked for, and by which attempt, the first first."""
    rows = await town.platform.pool.fetch(
        "SELECT started_at, finished_at, attempt, operation_id FROM operation_steps"
        " WHERE step = 'pay_out' AND operation_id = ANY($1) ORDER BY started_at",
        operation_ids,
    )
    return [tuple(row) for row in rows]


async def flood(town: Town, in_own: int, in_lane: int) -> list[str]:
    """Begin transfers in both gears; returns their ids."""
    account = await town.account(funds_minor=(in_own + in_lane) * 1_000)
    lane = next(_lanes)
    laned = [(await accept(town, account, lane=lane)).id for _ in range(in_lane)]
    owned = await asyncio.gather(*(transfer(town, account) for _ in range(in_own)))
    if laned:
        await town.platform.operations.run_lanes(KIND, [lane])
    return [*owned, *laned]


async def test_both_gears_keep_one_rate_and_nothing_runs_out_of_time_r5(town: Town) -> None:
    async with limited(town, per_second=20):
        ids = await flood(town, 30, 30)
        ends = [await town.end_of(found) for found in ids]

    assert {end.status for end in ends} == {"succeeded"}
    made = await calls(town, ids)
    assert [attempt for _, _, attempt, _ in made] == [1] * 60, "nothing was tried twice"
    begun = [started_at for started_at, *_ in made]
    a_second = timedelta(seconds=1)
    most = max(sum(1 for other in begun if at <= other < at + a_second) for at in begun)
    # Two gears with a rate each would keep twice as many. A start is noted a moment after its turn
    # has come, and a machine that stood still has many to note at once.
    assert most < 40


async def test_both_gears_share_the_places_there_are_r4(town: Town) -> None:
    async with limited(town, at_once=1):
        ids = await flood(town, 12, 12)
        ends = [await town.end_of(found) for found in ids]

    assert {end.status for end in ends} == {"succeeded"}
    made = await calls(town, ids)
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(made)), "one at a time"


async def test_what_does_not_call_the_bank_does_not_wait_r5(town: Town) -> None:
    account = await town.account()
    async with limited(town, per_second=0.001):
        waiting = await flood(town, 50, 50)
        payment = await town.end_of(await town.pay(account))
        held = await town.platform.pool.fetchval(
            "SELECT count(*) FROM effects WHERE step = 'hold_funds' AND operation_id = ANY($1)",
            waiting,
        )
        states = [(await town.platform.operations.get(found)).status for found in waiting]

    assert payment.status == "succeeded"
    assert held > 0
    assert sum(state in {Status.PENDING, Status.PROCESSING} for state in states) >= 98
    ends = [await town.end_of(found) for found in waiting]
    assert {end.status for end in ends} == {"succeeded"}, "they went on as the limit was taken away"


async def test_one_customers_many_do_not_delay_another_ones_one(town: Town) -> None:
    async with limited(town, per_second=5):
        many = await flood(town, 60, 0)
        one = await transfer(town, await town.account())
        await town.end_of(one)
        made_before = await calls(town, many)
        await store.set_limit(
            town.platform.pool, Limit(BANK, per_second=1000), actor="tests", reason="the end"
        )
        ends = [await town.end_of(found) for found in many]

    assert len(made_before) < 40
    assert {end.status for end in ends} == {"succeeded"}


async def test_what_waits_for_its_turn_can_be_cancelled(town: Town) -> None:
    async with limited(town, per_second=0.001):
        ids = await flood(town, 8, 0)
        await until_waiting(town, ids)
        for found in ids:
            # One has had its turn.
            with contextlib.suppress(Conflict):
                await town.platform.operations.actions.cancel(found, By("tests", "Too slow."))
        ends = [await town.end_of(found) for found in ids]

    assert sorted(end.status for end in ends) == ["cancelled"] * 7 + ["succeeded"]


async def until_waiting(town: Town, operation_ids: list[str]) -> None:
    """Wait until the transfers hold their money, and wait for the bank."""

    async def all_hold() -> bool:
        held: int = await town.platform.pool.fetchval(
            "SELECT count(*) FROM effects WHERE step = 'hold_funds' AND operation_id = ANY($1)",
            operation_ids,
        )
        return held == len(operation_ids)

    await eventually(all_hold)


async def test_waiting_uses_up_no_tries(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of them is given up many times before its turn comes, more often than a call is tried.
    monkeypatch.setattr(provider_limits, "_WAIT_S", 0.01)
    monkeypatch.setattr(provider_limits, "_AGAIN_S", 0.2)
    async with limited(town, per_second=0.001):
        ids = await flood(town, 4, 0)
        await until_waiting(town, ids)
        await asyncio.sleep(3)
        states = [(await town.platform.operations.get(found)).status for found in ids]
    ends = [await town.end_of(found) for found in ids]

    assert Status.NEEDS_ATTENTION not in states
    assert Status.FAILED not in states
    assert {end.status for end in ends} == {"succeeded"}
    assert [attempt for _, _, attempt, _ in await calls(town, ids)] == [1] * 4
