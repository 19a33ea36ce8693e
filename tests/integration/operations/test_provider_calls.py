"""Calls to the outside: made once, whatever happens around them."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from perdure.core.errors import (
    CALL_UNDER_WAY,
    EARLIER_CALL_UNDER_WAY,
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.operations import store
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


START = datetime(2026, 11, 21, tzinfo=UTC)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Provider:
    """A provider that makes a new charge at each call: the harder case."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.fails_before: BaseException | None = None
        self.fails_after: BaseException | None = None
        self.inquiry_fails: Exception | None = None

    async def create(self) -> Charge:
        if self.fails_before is not None:
            raise self.fails_before
        self.charges.append(Charge(len(self.charges) + 1))
        if self.fails_after is not None:
            raise self.fails_after
        return self.charges[-1]

    async def find(self) -> Charge | None:
        if self.inquiry_fails is not None:
            raise self.inquiry_fails
        return self.charges[0] if self.charges else None

    def call(self, operation: Operation, *, undoes: bool = False) -> ProviderCall[Charge, Charge]:
        return ProviderCall(
            operation_id=operation.id,
            step="charge",
            provider="gateway",
            reference=operation.id,
            returns=Charge,
            timeout_s=5,
            create=self.create,
            find=self.find,
            expects=None,
            outcome=lambda charge: charge,
            undoes=undoes,
            status_after=Status.WAITING,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(pool: Pool, clock: Clock) -> ProviderCalls:
    return ProviderCalls(pool, clock=clock)


@pytest.fixture
def provider() -> Provider:
    return Provider()


async def status(pool: Pool, operation: Operation) -> Status:
    return (await store.get(pool, operation.id)).status


async def test_an_answer_is_stored_and_given_again(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)
    assert len(provider.charges) == 1
    assert await status(pool, operation) == Status.WAITING


async def test_a_lost_answer_is_asked_for_and_not_charged_again(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_after = ProviderOutcomeUnknown("timed out")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    assert await status(pool, operation) == Status.UNKNOWN
    provider.fails_after = None
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)
    assert len(provider.charges) == 1
    assert await status(pool, operation) == Status.WAITING


async def test_a_call_that_may_be_in_flight_is_not_repeated_before_its_lease_is_over(
    calls: ProviderCalls, provider: Provider, clock: Clock, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_before = ProviderOutcomeUnknown("timed out")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    provider.fails_before = None
    with pytest.raises(ProviderOutcomeUnknown, match="may still be under way") as caught:
        await calls.get_or_create(provider.call(operation))
    assert caught.value.retry_after_s == pytest.approx(10)
    assert provider.charges == []
    clock.pass_s(11)
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)


async def test_to_wait_for_what_the_provider_is_at_work_on_is_no_try(
    calls: ProviderCalls, provider: Provider, clock: Clock, accept: NewOperationMaker
) -> None:
    """Or all tries would be used up before it may be made again."""
    operation = await accept()
    provider.fails_before = ProviderOutcomeUnknown("It is at it.", code=CALL_UNDER_WAY)
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    provider.fails_before = None
    told = []
    while clock.now - START < timedelta(seconds=30):
        with pytest.raises(ProviderOutcomeUnknown, match="may still be under way") as caught:
            await calls.get_or_create(provider.call(operation))
        told.append(caught.value.code)
        clock.pass_s(caught.value.retry_after_s or 0)
    assert told == [EARLIER_CALL_UNDER_WAY, EARLIER_CALL_UNDER_WAY, ProviderOutcomeUnknown.code]
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)


async def test_an_error_the_provider_itself_answered_is_repeated_at_once_after_asking(
    calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_before = ProviderOutcomeUnknown("503", in_flight=False)
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    provider.fails_before = None
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)


async def test_what_a_killed_worker_had_done_is_found_at_once_and_not_done_again(
    calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    await killed_during(calls, provider, operation, fails="after")
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)
    assert len(provider.charges) == 1


async def test_what_a_killed_worker_had_not_done_yet_is_asked_for_until_its_lease_is_over(
    calls: ProviderCalls, provider: Provider, clock: Clock, accept: NewOperationMaker
) -> None:
    """It may be on its way: soon at first, as most are quick, and then after as long again."""
    operation = await accept()
    await killed_during(calls, provider, operation, fails="before")
    asked_again_in_s = []
    for attempt in (calls.get_or_create, calls.resolve) * 3:
        with pytest.raises(ProviderOutcomeUnknown, match="may still be under way") as caught:
            await attempt(provider.call(operation))
        assert caught.value.code == EARLIER_CALL_UNDER_WAY
        assert caught.value.retry_after_s is not None
        asked_again_in_s.append(caught.value.retry_after_s)
        clock.pass_s(caught.value.retry_after_s)
    assert asked_again_in_s == [0.5, 0.5, 1, 2, 4, 2]
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)
    assert len(provider.charges) == 1


async def test_of_a_call_that_its_worker_is_still_at_the_first_to_hear_of_it_tells(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation, booked, answers = await accept(), asyncio.Event(), asyncio.Event()
    call = provider.call(operation)

    async def create() -> Charge:
        made = await provider.create()
        booked.set()
        await answers.wait()
        return made

    slow = asyncio.create_task(calls.get_or_create(replace(call, create=create)))
    await booked.wait()
    assert await calls.get_or_create(call) == Charge(1)
    answers.set()
    assert await slow == Charge(1)
    assert len(provider.charges) == 1
    assert await status(pool, operation) == Status.WAITING


async def killed_during(
    calls: ProviderCalls, provider: Provider, operation: Operation, *, fails: str
) -> None:
    """Have a call break off with its worker, before or after the provider did anything."""
    setattr(provider, f"fails_{fails}", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await calls.get_or_create(provider.call(operation))
    setattr(provider, f"fails_{fails}", None)


async def test_a_provider_that_cannot_be_asked_leaves_the_outcome_unknown(
    calls: ProviderCalls, provider: Provider, clock: Clock, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_after = ProviderOutcomeUnknown("cut")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    clock.pass_s(3600)
    provider.inquiry_fails = ProviderUnavailable("down")
    with pytest.raises(ProviderOutcomeUnknown, match="could not be asked"):
        await calls.get_or_create(provider.call(operation))
    assert len(provider.charges) == 1


async def test_a_refusal_is_stored_and_given_again(
    calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_before = ProviderDeclined("No.", code="card_declined")
    for _ in range(2):
        with pytest.raises(ProviderDeclined) as caught:
            await calls.get_or_create(provider.call(operation))
        assert caught.value.code == "card_declined"
        provider.fails_before = None
    assert provider.charges == []


async def test_a_call_that_never_left_is_simply_made_again(
    calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    provider.fails_before = ProviderUnavailable("refused")
    with pytest.raises(ProviderUnavailable):
        await calls.get_or_create(provider.call(operation))
    provider.fails_before = None
    provider.inquiry_fails = AssertionError("nobody needs to ask")
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)


async def test_racing_runners_make_one_call(
    calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    results = await asyncio.gather(
        *(calls.get_or_create(provider.call(operation)) for _ in range(8)),
        return_exceptions=True,
    )
    assert len(provider.charges) == 1
    assert all(
        result == Charge(1) or isinstance(result, ProviderOutcomeUnknown) for result in results
    )
    assert await calls.get_or_create(provider.call(operation)) == Charge(1)


async def test_a_call_longer_than_its_time_out_is_unknown(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()

    async def hang() -> Charge:
        await provider.create()
        await asyncio.sleep(60)
        raise AssertionError("not reached")

    call = provider.call(operation)
    slow = ProviderCall(
        **{name: getattr(call, name) for name in call.__slots__}
        | {"create": hang, "timeout_s": 0.05}
    )
    with pytest.raises(ProviderOutcomeUnknown, match="did not answer"):
        await calls.get_or_create(slow)
    assert await calls.get_or_create(call) == Charge(1)
    assert len(provider.charges) == 1


async def test_a_cancelled_operation_is_not_charged(
    pool: Pool, calls: ProviderCalls, provider: Provider, accept: NewOperationMaker
) -> None:
    operation = await accept()
    async with transaction(pool) as connection:
        await request_cancel(connection, operation.id, actor="ada", reason="typo")
    with pytest.raises(OperationCancelled):
        await calls.get_or_create(provider.call(operation))
    assert provider.charges == []
    assert await calls.resolve(provider.call(operation)) is None


async def test_a_cancel_between_a_lost_call_and_its_repeat_closes_the_call(
    pool: Pool,
    calls: ProviderCalls,
    provider: Provider,
    clock: Clock,
    accept: NewOperationMaker,
) -> None:
    operation = await accept()
    provider.fails_before = ProviderOutcomeUnknown("timed out")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(operation))
    async with transaction(pool) as connection:
        await request_cancel(connection, operation.id, actor="ada", reason="typo")
    provider.fails_before = None
    clock.pass_s(11)
    with pytest.raises(OperationCancelled):
        await calls.get_or_create(provider.call(operation))
    assert provider.charges == []
    assert await calls.resolve(provider.call(operation)) is None


async def test_resolving_finds_the_charge_or_closes_the_call_without_making_it(
    pool: Pool,
    calls: ProviderCalls,
    provider: Provider,
    clock: Clock,
    accept: NewOperationMaker,
) -> None:
    made, not_made = await accept(), await accept()
    provider.fails_before = ProviderOutcomeUnknown("timed out")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(not_made))
    with pytest.raises(ProviderOutcomeUnknown, match="may still be under way"):
        await calls.resolve(provider.call(not_made))
    clock.pass_s(11)
    assert await calls.resolve(provider.call(not_made)) is None
    assert await status(pool, not_made) == Status.PROCESSING

    provider.fails_before, provider.fails_after = None, ProviderOutcomeUnknown("cut")
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call(made))
    assert await calls.resolve(provider.call(made)) == Charge(1)
