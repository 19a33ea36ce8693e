"""The closed loop waits for what it made; the open loop waits for nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from perdure.chaos.client import PersistentClient
from perdure.chaos.seen import Seen, Storm
from perdure.core.errors import ProviderUnavailable
from perdure.soak.load import OPERATIONS_PER_PLAN, WINDOW, OpenLoop, Operations, measure_capacity
from tests.polls import eventually


class Api(PersistentClient):
    """Answers at once; while it is not `going`, not at all."""

    def __init__(self) -> None:
        super().__init__(httpx.AsyncClient())
        self.going = asyncio.Event()
        self.going.set()
        self.keys: set[str] = set()
        self.wallets: list[str] = []

    async def make(self, path: str, body: dict[str, Any], key: str, seen: Seen) -> None:
        self.keys.add(key)
        await self.going.wait()
        seen.operation_ids.append(f"pay_{key}")

    async def cancel(self, path: str, operation_id: str, seen: Seen) -> None:
        seen.cancellation = "accepted"

    async def open_wallet(self, customer_id: str, number: int, deposit_minor: int) -> str:
        self.wallets.append(f"{customer_id}-{number}")
        return self.wallets[-1]


@pytest.fixture
async def payments() -> AsyncIterator[Operations]:
    async def prepare(storm: Storm) -> None:
        assert storm.plan.operations

    made = Operations(Api(), "payments", 7, prepare)
    yield made
    await made.stop()


def api_of(payments: Operations) -> Api:
    assert isinstance(payments.client, Api)
    return payments.client


async def test_after_the_last_payment_of_a_seed_come_those_of_the_next(
    payments: Operations,
) -> None:
    taken = [await payments.next() for _ in range(OPERATIONS_PER_PLAN + 1)]
    assert [storm.plan.seed for storm in payments.storms] == [7, 8]
    assert taken[-1][1] is payments.storms[1]
    assert len({payment.key for payment, _ in taken}) == len(taken)
    assert payments.customer_ids == ["cus_chaos_7", "cus_chaos_8"]


async def test_the_next_ones_wallets_are_opened_ahead(payments: Operations) -> None:
    await payments.next()
    await asyncio.sleep(0)
    assert "cus_chaos_8-0" in api_of(payments).wallets
    assert payments.customer_ids == ["cus_chaos_7"]


async def test_what_was_not_begun_is_no_part_of_the_plan_any_more(payments: Operations) -> None:
    await OpenLoop(payments, rate_per_s=60).run(0.05)
    await payments.stop()
    (storm,) = payments.storms
    assert len(storm.plan.operations) == 3
    assert {each.key for each in storm.plan.operations} == set(storm.seen) == api_of(payments).keys


async def test_the_open_loop_sends_on_while_nothing_is_answered(payments: Operations) -> None:
    api, load = api_of(payments), OpenLoop(payments, rate_per_s=400)
    api.going.clear()
    running = asyncio.create_task(load.run(0.1))
    await until(lambda: load.sent == 40)
    assert load.requests == 40
    assert load.oldest_request_s > 0
    assert not running.done()
    api.going.set()
    await until(lambda: not load.requests)
    assert load.oldest_request_s == 0
    running.cancel()  # it would wait seconds for the cancellations that are planned


async def test_the_closed_loop_stops_at_its_window_where_nothing_settles(
    payments: Operations,
) -> None:
    async def all_that_was_accepted() -> int:
        return sum(
            bool(each.operation_ids) for storm in payments.storms for each in storm.seen.values()
        )

    with pytest.raises(ProviderUnavailable) as refused:
        await measure_capacity(payments, all_that_was_accepted, seconds=0.5, patience_s=0.5)
    assert refused.value.code == "no_capacity"
    assert len(api_of(payments).keys) == WINDOW


async def test_the_closed_loop_goes_on_with_each_payment_that_settles(payments: Operations) -> None:
    async def none() -> int:
        return 0

    assert await measure_capacity(payments, none, seconds=0.9) > 0
    assert len(api_of(payments).keys) > WINDOW


async def until(is_so: Callable[[], bool]) -> None:
    await eventually(is_so, pause_s=0.001)


async def test_the_closed_loop_goes_on_until_its_result_is_no_chance(payments: Operations) -> None:
    asked = 0

    async def all_at_first() -> int:
        nonlocal asked
        asked += 1
        return WINDOW if asked < 6 else 0

    # Nothing settles within the time; soon after it does.
    assert await measure_capacity(payments, all_at_first, seconds=0.3) > 0
    assert asked == 6
