"""An unanswered try: tried again, waited out, or given up (PostgreSQL alone)."""

from datetime import datetime, timedelta

import pytest

from perdure.core.clock import utc_now
from perdure.core.errors import (
    CREDENTIALS_REFUSED,
    EARLIER_CALL_UNDER_WAY,
    ProviderAway,
    ProviderError,
    ProviderNotCalled,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.ids import new_id
from perdure.limits import store as limits
from perdure.limits.model import Ask, Heard
from perdure.limits.rules import FAILURES_MAX
from perdure.operations import reporting, store
from perdure.operations.attempts import Attempt, record_attempt
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.waiting import (
    LOOK_AGAIN_S,
    TRIES_MAX,
    Patience,
    ProviderWaits,
    StepAtProvider,
    Tries,
)
from perdure.storage.pool import Pool, transaction

from .conftest import NewOperationMaker

HOUR_S = 3600.0
FAILED = Heard(failed=1, is_failing=True)
AWAY = ProviderUnavailable("It cannot be reached.")


@pytest.fixture
def provider() -> str:
    return new_id("prv")


@pytest.fixture
async def operation(pool: Pool, accept: NewOperationMaker) -> Operation:
    operation = await accept()
    async with transaction(pool) as connection:
        await store.move(connection, operation, Status.PROCESSING, action="funds_held")
    return await store.get(pool, operation.id)


def waits(pool: Pool, *, patience_s: float = HOUR_S) -> ProviderWaits:
    return ProviderWaits(pool, {"charge": Patience(patience_s, "gateway_unavailable")})


async def tell(pool: Pool, provider: str, asked: Ask) -> None:
    await limits.ask(pool, provider, "some-process", asked)


async def try_in_vain(pool: Pool, operation: Operation, error: Exception, *, times: int) -> None:
    for number in range(times):
        outcome = "unknown" if isinstance(error, ProviderOutcomeUnknown) else "failed"
        attempt = Attempt("charge", number + 1)
        await record_attempt(pool, operation.id, attempt, outcome=outcome, error=error)


async def tries(pool: Pool, at: StepAtProvider, since: datetime) -> Tries:
    return await waits(pool).tries(at, since=since, otherwise=0)


async def test_only_what_the_provider_was_asked_counts_as_a_try(
    pool: Pool, operation: Operation, provider: str
) -> None:
    at, since = StepAtProvider(operation.id, "charge", provider), utc_now()
    await try_in_vain(pool, operation, AWAY, times=2)
    await try_in_vain(pool, operation, ProviderOutcomeUnknown("No answer."), times=1)
    await try_in_vain(pool, operation, ConnectionRefusedError("our own database"), times=5)
    await try_in_vain(pool, operation, ProviderRateLimited("Slower."), times=5)
    await try_in_vain(pool, operation, ProviderUnavailable("x", asked_wait_s=7), times=5)
    earlier = ProviderOutcomeUnknown("May be under way.", code=EARLIER_CALL_UNDER_WAY)
    await try_in_vain(pool, operation, earlier, times=5)
    await waits(pool).weigh(at, earlier, Tries(TRIES_MAX))

    assert not earlier.is_last
    assert (await tries(pool, at, since)).count == 3
    assert (await tries(pool, at, since + timedelta(hours=1))).count == 0, "those of a run before"
    other = StepAtProvider(operation.id, "refund", provider)
    assert (await tries(pool, other, since)).count == 0


async def test_the_first_tries_are_left_to_the_retry_policy_e6(
    pool: Pool, operation: Operation, provider: str
) -> None:
    error = ProviderUnavailable("Away.")
    before = Tries(TRIES_MAX - 2, utc_now())
    await waits(pool).weigh(StepAtProvider(operation.id, "charge", provider), error, before)

    assert (error.is_last, error.retry_after_s) == (False, None)
    assert (await store.get(pool, operation.id)).status == Status.PROCESSING


@pytest.mark.parametrize("error", [ProviderUnavailable("x"), ProviderOutcomeUnknown("x")])
async def test_a_step_is_given_up_where_others_get_through_and_it_does_not_e6(
    pool: Pool, operation: Operation, provider: str, error: ProviderError
) -> None:
    before = Tries(TRIES_MAX - 1, utc_now() - timedelta(seconds=8))
    answered = Heard(answered=1, answered_ago_s=2.0)
    await tell(pool, provider, Ask(0, 0, heard={"charge": answered}))

    await waits(pool).weigh(StepAtProvider(operation.id, "charge", provider), error, before)

    assert error.is_last
    assert (await store.get(pool, operation.id)).status == Status.PROCESSING


async def test_who_refuses_our_credentials_fails_no_operation_whomever_else_it_lets_through(
    pool: Pool, operation: Operation, provider: str
) -> None:
    answered = Heard(answered=1, answered_ago_s=2.0)
    await tell(pool, provider, Ask(0, 0, heard={"charge": answered}))
    error = ProviderUnavailable("It does not take our credentials.", code=CREDENTIALS_REFUSED)
    before = Tries(TRIES_MAX - 1, utc_now() - timedelta(seconds=8))

    await waits(pool).weigh(StepAtProvider(operation.id, "charge", provider), error, before)

    assert not error.is_last
    waiting = await store.get(pool, operation.id)
    assert waiting.status == Status.WAITING
    assert waiting.failure is not None
    assert "It does not take our credentials." in waiting.failure.message


@pytest.mark.parametrize(
    "heard",
    [
        {"charge": FAILED},
        {"charge": FAILED, "resolve_charge": Heard(answered=1, answered_ago_s=0.0)},
        # What was answered last was so before this one failed for the second time.
        {"charge": Heard(answered=1, answered_ago_s=20.0)},
    ],
    ids=["nobody", "only inquiries", "earlier"],
)
async def test_an_operation_waits_for_a_provider_that_nobody_gets_through_to(
    pool: Pool, operation: Operation, provider: str, heard: dict[str, Heard]
) -> None:
    at = StepAtProvider(operation.id, "charge", provider)
    await tell(pool, provider, Ask(0, 0, failures=FAILURES_MAX, heard=heard))
    before = Tries(TRIES_MAX - 1, utc_now() - timedelta(seconds=8))
    for error in (ProviderUnavailable("x"), ProviderNotCalled("x"), ProviderUnavailable("x")):
        await waits(pool).weigh(at, error, before)
        assert not error.is_last
        assert error.retry_after_s is not None
        assert error.retry_after_s >= LOOK_AGAIN_S

    waiting = await store.get(pool, operation.id)
    assert waiting.status == Status.WAITING
    assert waiting.failure is not None
    assert (waiting.failure.code, waiting.failure.step) == ("gateway_unavailable", "charge")
    assert provider in waiting.failure.message
    said = [entry.action for entry in await reporting.trail(pool, operation.id)]
    assert said.count("charge_waits") == 1


async def test_what_is_unknown_stays_so_while_it_waits(
    pool: Pool, operation: Operation, provider: str
) -> None:
    failure = Failure("provider_outcome_unknown", "The answer was lost.", "charge")
    async with transaction(pool) as connection:
        await store.move(
            connection, operation, Status.UNKNOWN, action="charge_unknown", failure=failure
        )
    at = StepAtProvider(operation.id, "charge", provider)
    await waits(pool).weigh(at, ProviderNotCalled("x"), Tries())

    found = await store.get(pool, operation.id)
    assert (found.status, found.failure) == (Status.UNKNOWN, failure)
    assert "charge_waits" in [entry.action for entry in await reporting.trail(pool, operation.id)]


async def test_it_is_parked_when_its_patience_is_over_and_has_a_new_one_when_resumed(
    pool: Pool, operation: Operation, provider: str
) -> None:
    at, patience_s = StepAtProvider(operation.id, "charge", provider), 0.05
    impatient = waits(pool, patience_s=patience_s)
    await impatient.weigh(at, ProviderNotCalled("x"), Tries())
    await pool.execute("SELECT pg_sleep($1)", patience_s)
    with pytest.raises(ProviderAway) as caught:
        await impatient.weigh(at, ProviderNotCalled("x"), Tries())
    assert caught.value.code == "gateway_unavailable"
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, Status.NEEDS_ATTENTION, action="parked")
        await store.move(connection, locked, Status.PROCESSING, action="resumed")

    await waits(pool, patience_s=HOUR_S).weigh(at, ProviderNotCalled("x"), Tries())

    said = [entry.action for entry in await reporting.trail(pool, operation.id)]
    assert said.count("charge_waits") == 2


async def test_a_wait_longer_than_the_patience_parks_at_once_with_the_time_named(
    pool: Pool, operation: Operation, provider: str
) -> None:
    at = StepAtProvider(operation.id, "charge", provider)
    asked = ProviderUnavailable("Maintenance.", asked_wait_s=2 * HOUR_S)
    with pytest.raises(ProviderAway) as caught:
        await waits(pool).weigh(at, asked, Tries())
    until = utc_now() + timedelta(seconds=2 * HOUR_S)
    assert f"until {until:%Y-%m-%d %H:}" in caught.value.message

    # So does every other that meets it, though it was not told itself.
    await tell(pool, provider, Ask(0, 0, retry_after_s=2 * HOUR_S))
    with pytest.raises(ProviderAway):
        await waits(pool).weigh(at, ProviderNotCalled("x"), Tries())


async def test_a_wait_within_the_patience_uses_up_no_tries(
    pool: Pool, operation: Operation, provider: str
) -> None:
    error = ProviderOutcomeUnknown("Maintenance.", asked_wait_s=120)
    at = StepAtProvider(operation.id, "charge", provider)
    await waits(pool).weigh(at, error, Tries(TRIES_MAX * 10, utc_now()))

    assert not error.is_last
    assert error.retry_after_s is not None
    assert 119 < error.retry_after_s < 125
    assert (await store.get(pool, operation.id)).status == Status.WAITING


async def test_a_provider_that_asks_for_a_moment_while_it_serves_others_is_not_waited_for(
    pool: Pool, operation: Operation, provider: str
) -> None:
    answered = Heard(answered=1, answered_ago_s=2.0)
    await tell(pool, provider, Ask(0, 0, heard={"charge": answered}))
    error = ProviderRateLimited("Slow down.", retry_after_s=1)
    at = StepAtProvider(operation.id, "charge", provider)
    await waits(pool).weigh(at, error, Tries(TRIES_MAX * 10, utc_now()))

    assert (error.is_last, error.retry_after_s) == (False, 1)
    assert (await store.get(pool, operation.id)).status == Status.PROCESSING


async def test_what_is_to_stop_or_has_ended_is_left_as_it_is(
    pool: Pool, operation: Operation, provider: str
) -> None:
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, Status.SUCCEEDED, action="settled")
    at = StepAtProvider(operation.id, "charge", provider)
    await waits(pool).weigh(at, ProviderNotCalled("x"), Tries())

    assert (await store.get(pool, operation.id)).status == Status.SUCCEEDED
