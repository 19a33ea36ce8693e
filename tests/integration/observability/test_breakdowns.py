"""Each operation that breaks down is told of once, whatever dies in between; no other is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import pytest

from perdure.core.errors import InsufficientFunds, OperationParked, ProviderDeclined
from perdure.core.ids import new_id
from perdure.observability import sentry as sentry_client
from perdure.observability.breakdowns import BreakdownReports, NotTaken
from perdure.operations import breakdowns, store
from perdure.operations.acceptance import accept_many
from perdure.operations.attempts import Attempt, record_attempt
from perdure.operations.model import Failure, NewOperation, Operation, Status
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.storage.pool import Pool, open_pool, transaction
from tests.receivers import Receiver
from tests.servers import migrated_database

EACH: Final = 60


@pytest.fixture(scope="module")
async def own_pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database in which nobody else breaks down."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=8) as pool:
        yield pool


async def accepted(pool: Pool, count: int) -> list[Operation]:
    new = [
        NewOperation(new_id("pay"), "payment", f"cus_{uuid4().hex}", {"request": {"secret": "x"}})
        for _ in range(count)
    ]
    async with transaction(pool) as connection:
        stored = await accept_many(connection, new, actor="tests")
    return [one for one in stored if isinstance(one, Operation)]


async def park(pool: Pool, operation_id: str, code: str, step: str | None = None) -> None:
    """Park it as the activity does, which runs again if its worker dies before it has answered."""
    failure = Failure(code, "alice@example.com is in this message", step)
    async with transaction(pool) as connection:
        operation = await store.lock(connection, operation_id)
        await store.move(
            connection, operation, Status.NEEDS_ATTENTION, action="parked", failure=failure
        )


async def end(pool: Pool, operation_id: str, status: Status, code: str | None) -> None:
    async def body(step: StepTransaction) -> str:
        failure = Failure(code, "alice@example.com") if code else None
        step.move(status, action="closed", failure=failure)
        return "closed"

    given = {"code": code}
    await TransactionalSteps(pool).run(
        operation_id, "close", given, body, returns=str, undoes=True, ends=["close"]
    )


async def fail_at(pool: Pool, operation_id: str, step: str, *, tries: int) -> None:
    """Leave the rows of attempts that met a defect."""
    for number in range(1, tries + 1):
        try:
            raise KeyError("alice@example.com")
        except KeyError as error:
            await record_attempt(
                pool, operation_id, Attempt(step, number), outcome="failed", error=error
            )


async def lived(pool: Pool) -> tuple[set[str], list[str]]:
    """Let hundreds of operations end, or not; returns those that broke down, and by a defect."""
    operations = [one.id for one in await accepted(pool, 6 * EACH)]
    groups = [operations[EACH * number : EACH * (number + 1)] for number in range(6)]
    parked, defects, away, refused, cancelled, retried = groups
    no = (ProviderDeclined.code, "card_declined", InsufficientFunds.code, "not_confirmed")
    for number in range(EACH):
        await park(pool, parked[number], "provider_disagrees", "payment.charge")
        await park(pool, parked[number], "provider_disagrees", "payment.charge")
        await fail_at(pool, defects[number], "charge", tries=3)
        await park(pool, defects[number], "internal_error", "payment.charge")
        await end(pool, away[number], Status.FAILED, "gateway_unavailable")
        await end(pool, away[number], Status.FAILED, "gateway_unavailable")
        await end(pool, refused[number], Status.FAILED, no[number % len(no)])
        await park(pool, cancelled[number], OperationParked.code)
        await end(pool, cancelled[number], Status.CANCELLED, "cancelled")
        await fail_at(pool, retried[number], "charge", tries=2)
        await end(pool, retried[number], Status.SUCCEEDED, None)
    return {*parked, *defects, *away}, defects


async def reported_through_deaths(pool: Pool, at_calls: set[int]) -> None:
    """Report all; the worker dies now and then, when Sentry has taken them and nobody knows it."""
    calls = 0

    def send(events: Any) -> bool:
        nonlocal calls
        calls += 1
        taken = sentry_client.send(events)
        if calls in at_calls:
            raise asyncio.CancelledError
        return taken

    reports = BreakdownReports(pool, send)
    is_left = True
    while is_left:
        with suppress(asyncio.CancelledError):
            is_left = await reports.report() > 0
    assert calls > max(at_calls)


async def test_each_breakdown_is_told_of_once_over_hundreds_t10(
    own_pool: Pool, sentry: Receiver
) -> None:
    broken, defects = await lived(own_pool)
    await reported_through_deaths(own_pool, {2, 4})

    by_id = {one["event_id"]: one for one in sentry.events}
    assert len(by_id) < len(sentry.events), "some were sent twice, under the same ids"
    told = Counter(one["tags"]["id"] for one in by_id.values())
    assert set(told) == broken
    assert set(told.values()) == {1}
    assert b"alice" not in b"".join(sentry.raw)

    a_defect = next(one for one in by_id.values() if one["tags"]["id"] == defects[0])
    assert a_defect["fingerprint"] == ["payment", "charge", "internal_error"]
    assert (a_defect["tags"]["step"], a_defect["tags"]["attempt"]) == ("charge", "3")
    (error,) = a_defect["exception"]["values"]
    assert error["type"] == "KeyError"
    assert [one["function"] for one in error["stacktrace"]["frames"]] == ["fail_at"]


async def test_what_sentry_did_not_take_is_told_when_it_does(
    own_pool: Pool, sentry: Receiver
) -> None:
    (operation,) = await accepted(own_pool, 1)
    await park(own_pool, operation.id, "timed_out")
    reports = BreakdownReports(own_pool, sentry_client.send)
    sentry.takes = False
    with pytest.raises(NotTaken):
        await reports.report()
    sentry.takes = True
    await reports.report()
    assert [one["tags"]["id"] for one in sentry.events] == [operation.id]
    assert await reports.report() == 0


async def test_one_that_goes_on_and_breaks_down_again_is_told_of_again(
    own_pool: Pool, sentry: Receiver
) -> None:
    (operation,) = await accepted(own_pool, 1)
    for _ in range(2):
        await park(own_pool, operation.id, "timed_out")
        async with transaction(own_pool) as connection:
            locked = await store.lock(connection, operation.id)
            await store.move(connection, locked, Status.PROCESSING, action="resumed")
    await BreakdownReports(own_pool, sentry_client.send).report()
    assert len({one["event_id"] for one in sentry.events}) == 2


async def test_what_nobody_is_told_of_is_forgotten_after_a_day(own_pool: Pool) -> None:
    old, new = await accepted(own_pool, 2)
    for one in (old, new):
        await park(own_pool, one.id, "timed_out")
    await own_pool.execute(
        "UPDATE operation_breakdowns SET at = now() - interval '25 hours' WHERE operation_id = $1",
        old.id,
    )
    await breakdowns.forget_old(own_pool)
    async with breakdowns.taken(own_pool, limit=10) as found:
        assert [one.operation_id for one in found] == [new.id]
