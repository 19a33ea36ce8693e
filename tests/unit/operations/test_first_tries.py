"""First tries: made while a provider is quick, left to its queue while it is not."""

import pytest

from perdure.core.errors import (
    EARLIER_CALL_UNDER_WAY,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.operations.first_tries import FirstTries


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> FirstTries:
    return FirstTries(at_once_max=2, slow_s=1, pause_s=5, clock=clock)


def call(tries: FirstTries, clock: Clock, took_s: float, error: Exception | None = None) -> None:
    with tries.under_way():
        clock.now_s += took_s
        if error is not None:
            raise error


def test_a_provider_nobody_has_called_yet_is_tried(tries: FirstTries) -> None:
    assert tries.may_begin()


def test_no_more_are_under_way_than_may_be(tries: FirstTries) -> None:
    with tries.under_way():
        assert tries.may_begin()
        with tries.under_way():
            assert not tries.may_begin()
        assert tries.may_begin()


def test_none_are_made_where_none_may_be(clock: Clock) -> None:
    assert not FirstTries(at_once_max=0, clock=clock).may_begin()


def fail(tries: FirstTries, clock: Clock, error: Exception, *, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            call(tries, clock, 0.1, error)


@pytest.mark.parametrize(
    "error", [ProviderUnavailable("No connection."), ProviderOutcomeUnknown("Cut.")]
)
def test_a_provider_that_fails_is_left_alone_for_a_while(
    tries: FirstTries, clock: Clock, error: Exception
) -> None:
    fail(tries, clock, error, times=4)
    assert (tries.is_failing, tries.may_begin()) == (True, False)
    clock.now_s += 4.9
    assert (tries.is_failing, tries.may_begin()) == (True, False)
    clock.now_s += 0.2
    assert (tries.is_failing, tries.may_begin()) == (False, True)


def test_a_failure_among_calls_that_go_well_is_forgiven(tries: FirstTries, clock: Clock) -> None:
    for _ in range(20):
        fail(tries, clock, ProviderUnavailable("Not this mailbox, not now."))
        assert tries.may_begin()
        for _ in range(4):
            call(tries, clock, 0.1)


def test_a_provider_that_goes_on_failing_is_left_alone_again_at_once(
    tries: FirstTries, clock: Clock
) -> None:
    away = ProviderUnavailable("No connection.")
    fail(tries, clock, away, times=4)
    clock.now_s += 5.1
    fail(tries, clock, away)
    assert tries.is_failing
    clock.now_s += 5.1
    call(tries, clock, 0.1)
    fail(tries, clock, away)
    assert tries.is_failing
    clock.now_s += 5.1
    for _ in range(3):
        call(tries, clock, 0.1)
    fail(tries, clock, away)
    assert not tries.is_failing


def test_a_no_is_an_answer_not_a_failure(tries: FirstTries, clock: Clock) -> None:
    with pytest.raises(ProviderDeclined):
        call(tries, clock, 0.1, ProviderDeclined("No."))
    assert tries.may_begin()


def test_what_a_dead_worker_left_behind_is_no_failure_of_the_provider(
    tries: FirstTries, clock: Clock
) -> None:
    earlier = ProviderOutcomeUnknown("May be under way.", code=EARLIER_CALL_UNDER_WAY)
    fail(tries, clock, earlier, times=10)
    assert tries.may_begin()


def test_a_call_that_fails_makes_room_for_another(tries: FirstTries, clock: Clock) -> None:
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            call(tries, clock, 0, ProviderUnavailable("No connection."))
    clock.now_s += 6
    with tries.under_way():
        assert tries.may_begin()


def test_one_slow_call_among_quick_ones_is_forgiven(tries: FirstTries, clock: Clock) -> None:
    call(tries, clock, 4)
    assert tries.may_begin()
    for _ in range(20):
        call(tries, clock, 0.1)
    call(tries, clock, 4)
    assert tries.may_begin()


def test_a_provider_that_stays_slow_is_left_to_its_queue_and_tried_afresh(
    tries: FirstTries, clock: Clock
) -> None:
    for _ in range(20):
        call(tries, clock, 2)
        if not tries.may_begin():
            break
    assert not tries.may_begin()
    assert not tries.is_failing  # it answers, if slowly
    clock.now_s += 5.1
    assert tries.may_begin()
    call(tries, clock, 0.1)
    assert tries.may_begin()
