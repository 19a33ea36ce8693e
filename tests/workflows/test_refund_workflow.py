"""A refund's workflow on the real server: each way it can go."""

from perdure.core.errors import (
    OperationCancelled,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.durable.interceptors.cancellation import CANCEL
from perdure.durable.scope import PARK, RESUME, CancelCall
from perdure.notifications.contracts import DELIVER
from perdure.refunds.contracts import (
    CLOSE,
    FIND_OUT,
    GIVE_BACK,
    SETTLE,
    FoundOut,
    RefundFailure,
)

from .scripted_refunds import GIVEN, SUCCEEDED, RefundScenario

AWAY = ProviderUnavailable("The bank cannot be reached.")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")
CANCELLED = OperationCancelled("It is wanted.")


async def test_the_provider_gives_back_before_our_books_do(refunds: RefundScenario) -> None:
    end = await (await refunds.start()).result()
    assert (end.status, end.failure) == ("succeeded", None)
    assert refunds.world.calls == [GIVE_BACK, SETTLE, DELIVER]
    assert refunds.world.given[SETTLE].given == GIVEN


async def test_a_no_of_the_provider_ends_it_with_the_reason(refunds: RefundScenario) -> None:
    refunds.world.answers[GIVE_BACK] = ProviderDeclined("Never.", code="payout_not_recallable")
    end = await (await refunds.start()).result()
    assert (end.status, end.failure) == (
        "failed",
        RefundFailure("payout_not_recallable", "Never."),
    )
    assert refunds.world.calls == [GIVE_BACK, CLOSE, DELIVER]


async def test_tries_that_are_used_up_are_found_out_before_anything_is_decided(
    refunds: RefundScenario,
) -> None:
    refunds.world.answers[GIVE_BACK] = UNKNOWN
    refunds.world.answers[FIND_OUT] = [UNKNOWN, FoundOut(GIVEN)]
    end = await (await refunds.start()).result()
    assert end.status == "succeeded"
    assert refunds.world.calls == [*[GIVE_BACK] * 5, FIND_OUT, FIND_OUT, SETTLE, DELIVER]


async def test_a_no_that_is_found_out_is_a_no(refunds: RefundScenario) -> None:
    refunds.world.answers[GIVE_BACK] = UNKNOWN
    refunds.world.answers[FIND_OUT] = FoundOut(refusal=RefundFailure("too_late", "No more."))
    end = await (await refunds.start()).result()
    assert (end.status, end.failure) == ("failed", RefundFailure("too_late", "No more."))
    assert PARK not in refunds.world.calls


async def test_a_provider_that_is_away_parks_it_until_it_is_resumed(
    refunds: RefundScenario,
) -> None:
    refunds.world.answers[GIVE_BACK] = [*[AWAY] * 5, GIVEN]
    handle = await refunds.start()
    await refunds.world.until_called(PARK)
    assert refunds.world.given[PARK].code == "provider_unavailable"
    await handle.signal(RESUME)
    assert (await handle.result()).status == "succeeded"


async def test_one_that_is_called_off_while_it_is_parked_gives_nothing_back(
    refunds: RefundScenario,
) -> None:
    refunds.world.answers[GIVE_BACK] = AWAY
    handle = await refunds.start()
    await refunds.world.until_called(PARK)
    await handle.signal(CANCEL, CancelCall("ada", "It is wanted."))
    end = await handle.result()
    assert end.failure is not None
    assert (end.status, end.failure.message) == ("cancelled", "It is wanted.")
    assert refunds.world.calls[-3:] == [FIND_OUT, CLOSE, DELIVER]
    assert SETTLE not in refunds.world.calls


async def test_what_was_given_back_is_on_our_books_even_if_it_is_called_off(
    refunds: RefundScenario,
) -> None:
    refunds.world.answers[GIVE_BACK] = [UNKNOWN, CANCELLED]
    refunds.world.answers[FIND_OUT] = FoundOut(GIVEN)
    assert await (await refunds.start()).result() == SUCCEEDED
    assert refunds.world.calls == [GIVE_BACK, GIVE_BACK, FIND_OUT, SETTLE, DELIVER]


async def test_books_that_refuse_what_was_given_back_need_attention_and_are_not_undone(
    refunds: RefundScenario,
) -> None:
    refunds.world.answers[SETTLE] = [Refused("Frozen.", code="account_not_open"), SUCCEEDED]
    handle = await refunds.start()
    await refunds.world.until_called(PARK)
    assert refunds.world.given[PARK].code == "account_not_open"
    await handle.signal(CANCEL, CancelCall("ada", "Too late."))
    await handle.signal(RESUME)
    assert (await handle.result()).status == "succeeded"
    assert CLOSE not in refunds.world.calls
