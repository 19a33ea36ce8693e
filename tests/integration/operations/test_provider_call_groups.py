"""Calls in flight together: each operation's is made once, and told as it would be by itself."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from perdure.core.errors import (
    Conflict,
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
)
from perdure.operations import reporting, store
from perdure.operations.cancellation import request_cancel
from perdure.operations.model import Operation, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.storage.pool import Pool, transaction

from .conftest import NewOperationMaker


@dataclass(frozen=True)
class Charge:
    """What the provider answers."""

    number: int


class Provider:
    """Charges as often as it is asked; says no to those that are `declined`."""

    def __init__(self) -> None:
        self.charges: Counter[str] = Counter()
        self.declined: set[str] = set()

    def call(self, operation: Operation, *, undoes: bool = False) -> ProviderCall[Charge, Charge]:
        async def create() -> Charge:
            if operation.id in self.declined:
                raise ProviderDeclined("No.")
            self.charges[operation.id] += 1
            await asyncio.sleep(0)
            return Charge(self.charges[operation.id])

        async def find() -> Charge | None:
            return Charge(1) if self.charges[operation.id] else None

        return ProviderCall(
            operation_id=operation.id,
            step="charge",
            provider="gateway",
            reference=operation.id,
            returns=Charge,
            timeout_s=30,
            create=create,
            find=find,
            expects=None,
            outcome=lambda charge: charge,
            undoes=undoes,
        )


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def calls(pool: Pool) -> ProviderCalls:
    return ProviderCalls(pool)


async def begun(
    pool: Pool, accept: NewOperationMaker, status: Status = Status.PROCESSING
) -> Operation:
    """Return an operation as its first step leaves it."""
    operation = await accept()
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, status, action="begun")
    return operation


async def together(
    calls: ProviderCalls, *made: ProviderCall[Charge, Charge]
) -> list[Charge | BaseException]:
    """Make calls in one group; returns answers and errors in their order."""
    return await asyncio.gather(*map(calls.get_or_create, made), return_exceptions=True)


async def test_calls_in_flight_together_are_each_made_once(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operations = [await begun(pool, accept) for _ in range(10)]
    assert await together(calls, *map(provider.call, operations)) == [Charge(1)] * 10
    for operation in operations:
        [attempt] = await reporting.step_attempts(pool, operation.id)
        assert (attempt.step, attempt.outcome) == ("charge", "succeeded")
        assert attempt.provider_reference == operation.id
    assert await together(calls, *map(provider.call, operations)) == [Charge(1)] * 10
    assert set(provider.charges.values()) == {1}


async def test_of_two_runners_of_one_call_in_a_group_one_makes_it(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation, other = await begun(pool, accept), await begun(pool, accept)
    results = await together(
        calls, *(provider.call(each) for each in (operation, operation, other, operation))
    )
    assert (results[0], results[2]) == (Charge(1), Charge(1))
    assert all(
        result == Charge(1) or isinstance(result, ProviderOutcomeUnknown) for result in results
    )
    assert provider.charges == {operation.id: 1, other.id: 1}


async def test_those_that_may_not_go_forward_are_told_why_and_the_others_go_on(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    cancelled, other = await begun(pool, accept), await begun(pool, accept)
    reversing = await begun(pool, accept, Status.REVERSING)
    ended = await begun(pool, accept, Status.FAILED)
    async with transaction(pool) as connection:
        await request_cancel(connection, cancelled.id, actor="ada", reason="typo")
    first, second, third, fourth = await together(
        calls, *map(provider.call, (cancelled, reversing, ended, other))
    )
    assert isinstance(first, OperationCancelled)
    assert isinstance(second, Conflict)
    assert isinstance(third, Conflict)
    assert (second.code, third.code) == ("operation_reversing", "operation_finished")
    assert fourth == Charge(1)
    assert provider.charges == {other.id: 1}


async def test_what_undoes_goes_on_where_nothing_else_may_and_moves_nothing(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    statuses = [Status.REVERSING, Status.FAILED]
    operations = [await begun(pool, accept, status) for status in statuses]
    undoing = [provider.call(operation, undoes=True) for operation in operations]
    assert await together(calls, *undoing) == [Charge(1)] * 2
    assert [(await store.get(pool, each.id)).status for each in operations] == statuses


async def test_one_that_is_declined_spoils_nothing_for_the_others(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    declined, other = await begun(pool, accept), await begun(pool, accept)
    provider.declined.add(declined.id)
    for _ in range(2):
        first, second = await together(calls, provider.call(declined), provider.call(other))
        assert isinstance(first, ProviderDeclined)
        assert second == Charge(1)
    assert provider.charges == {other.id: 1}


async def test_one_held_by_another_waits_for_it_and_holds_up_nobody(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    held, other = await begun(pool, accept), await begun(pool, accept)
    async with transaction(pool) as connection:
        await store.lock(connection, held.id)
        waiting = asyncio.create_task(calls.get_or_create(provider.call(held)))
        assert await calls.get_or_create(provider.call(other)) == Charge(1)
        assert not waiting.done()
    assert await waiting == Charge(1)
    assert provider.charges == {held.id: 1, other.id: 1}


async def test_an_answer_to_one_held_by_another_is_kept_when_it_is_free(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await begun(pool, accept)
    is_called, may_answer = asyncio.Event(), asyncio.Event()
    call = provider.call(operation)

    async def create() -> Charge:
        is_called.set()
        await may_answer.wait()
        return await call.create()

    slow = ProviderCall(
        **{name: getattr(call, name) for name in call.__slots__} | {"create": create}
    )
    waiting = asyncio.create_task(calls.get_or_create(slow))
    await is_called.wait()
    async with transaction(pool) as connection:
        await store.lock(connection, operation.id)
        may_answer.set()
    assert await waiting == Charge(1)
    assert await calls.resolve(call) == Charge(1)
