"""How a provider's budget is divided: fairly, never more than the limit, not while it is away."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import InvalidInput
from perdure.limits.model import Ask, Budget, BudgetState, Heard, Limit, Share, Work
from perdure.limits.rules import (
    FAILURES_MAX,
    HORIZON_S,
    check_limit,
    fair_shares,
    grant,
    standing_of,
    state_of,
)

NOBODY: dict[str, Share] = {}


def test_calls_are_spread_evenly_and_taken_half_a_second_ahead() -> None:
    limit = Limit("bank", per_second=20)

    budget, granted, _ = grant(limit, Budget(), Ask(100, 0), NOBODY, me="a", now=1000.0)

    assert granted.calls == 20 * HORIZON_S
    assert granted.first_in_s == 0
    assert granted.interval_s == pytest.approx(1 / 20)
    assert budget.next_at == pytest.approx(1000.0 + HORIZON_S)


def test_what_is_scheduled_is_not_granted_again() -> None:
    limit = Limit("bank", per_second=20)
    budget = Budget(next_at=1000.6)

    after, granted, _ = grant(limit, budget, Ask(100, 0), NOBODY, me="a", now=1000.0)

    assert granted.calls == 0
    assert after.next_at == budget.next_at
    assert 0 < granted.again_in_s <= 1


@given(
    per_second=st.floats(min_value=0.2, max_value=500),
    asks=st.lists(
        st.tuples(st.floats(min_value=0, max_value=2), st.sampled_from("abc"), st.integers(0, 50)),
        max_size=60,
    ),
)
def test_no_more_calls_are_granted_than_the_rate_allows(
    per_second: float, asks: list[tuple[float, str, int]]
) -> None:
    limit, budget, now = Limit("bank", per_second=per_second), Budget(), 1000.0
    shares: dict[str, Share] = {}
    granted_count = 0
    begins_at: list[float] = []
    for after_s, me, waiting in asks:
        now += after_s
        others = {name: share for name, share in shares.items() if name != me}
        budget, granted, shares[me] = grant(limit, budget, Ask(waiting, 0), others, me=me, now=now)
        assert granted.calls is not None
        assert granted.calls <= waiting
        granted_count += granted.calls
        begins_at += [
            now + granted.first_in_s + number * granted.interval_s
            for number in range(granted.calls)
        ]

    begins_at.sort()
    gaps = [later - earlier for earlier, later in pairwise(begins_at)]
    assert all(gap >= 1 / per_second * 0.999 for gap in gaps)
    assert granted_count == len(begins_at)


@given(
    at_once=st.integers(1, 40),
    asks=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.integers(0, 30)), max_size=80
    ),
)
def test_no_more_places_are_held_than_the_limit_has(
    at_once: int, asks: list[tuple[str, int, int]]
) -> None:
    """Each process keeps what it was told: calls under way only ever drop to its places."""
    limit, budget = Limit("bank", at_once=at_once), Budget()
    shares: dict[str, Share] = {}
    under_way = dict.fromkeys("abcd", 0)
    may_have = dict.fromkeys("abcd", 0)
    for moment, (me, waiting, begin) in enumerate(asks):
        under_way[me] = min(under_way[me] + begin, max(may_have[me], under_way[me]))
        others = {name: share for name, share in shares.items() if name != me}
        budget, granted, shares[me] = grant(
            limit, budget, Ask(waiting, under_way[me]), others, me=me, now=1000.0 + moment
        )
        assert granted.at_once is not None
        may_have[me] = granted.at_once
        # Some of them end.
        under_way[me] = min(under_way[me], granted.at_once)
        assert sum(max(may_have[name], under_way[name]) for name in "abcd") <= at_once


def test_places_are_taken_in_turns_where_there_are_fewer_than_claimants() -> None:
    wants = {"a": 5, "b": 5, "c": 5}

    served = [fair_shares(1, wants, turn=turn) for turn in range(3)]

    assert sorted(name for shares in served for name, place in shares.items() if place) == [
        "a",
        "b",
        "c",
    ]


def test_what_one_leaves_the_others_share() -> None:
    assert fair_shares(10, {"a": 100, "b": 1, "c": 100}, turn=2) == {"a": 4, "b": 1, "c": 5}


@given(
    total=st.integers(0, 100),
    wants=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 60)),
    turn=st.integers(0, 1000),
)
def test_shares_use_all_there_is_and_give_nobody_more_than_it_wants(
    total: int, wants: dict[str, int], turn: int
) -> None:
    shares = fair_shares(total, wants, turn=turn)

    assert sum(shares.values()) == min(total, sum(wants.values()))
    assert all(shares[name] <= wanted for name, wanted in wants.items())
    unserved = [shares[name] for name, wanted in wants.items() if shares[name] < wanted]
    assert max(shares.values(), default=0) <= min(unserved, default=total) + 1


def test_a_call_that_is_granted_keeps_its_place_until_its_moment_comes() -> None:
    """One that waits beside a flood: its share must not be gone when its turn is there."""
    limit = Limit("bank", per_second=20, at_once=4)
    flood = {"flood": Share(wanted=200, slots=3)}
    budget, granted, share = grant(limit, Budget(), Ask(1, 0), flood, me="one", now=1000.0)
    assert (granted.calls, granted.at_once, share.slots) == (1, 1, 1)

    _, again, share = grant(limit, budget, Ask(1, 0, granted=1), flood, me="one", now=1000.1)

    assert (again.calls, again.at_once, share.slots) == (0, 1, 1)


def test_a_provider_that_asks_to_wait_is_left_alone_as_long() -> None:
    limit = Limit("bank", per_second=20)
    paused, granted, _ = grant(
        limit, Budget(), Ask(5, 0, retry_after_s=7), NOBODY, me="a", now=1000.0
    )
    _, still, _ = grant(limit, paused, Ask(5, 0), NOBODY, me="b", now=1006.9)
    _, over, _ = grant(limit, paused, Ask(5, 0), NOBODY, me="b", now=1007.0)

    assert (granted.calls, granted.state) == (0, BudgetState.PAUSED)
    assert still.calls == 0
    assert over.calls == 5


def test_a_provider_that_fails_time_and_again_is_probed_by_one_call() -> None:
    limit = Limit("bank", per_second=20)
    broken, granted, _ = grant(
        limit, Budget(), Ask(50, 0, failures=FAILURES_MAX), NOBODY, me="a", now=1000.0
    )
    assert (granted.calls, granted.state) == (0, BudgetState.BROKEN)

    probed, granted, _ = grant(limit, broken, Ask(50, 0), NOBODY, me="a", now=1001.5)
    _, other, _ = grant(limit, probed, Ask(50, 0), NOBODY, me="b", now=1001.6)
    assert (granted.calls, granted.state) == (1, BudgetState.PROBED)
    assert other.calls == 0

    failed, granted, _ = grant(limit, probed, Ask(50, 0, failures=1), NOBODY, me="a", now=1002.0)
    assert granted.calls == 0
    assert failed.broken_until > broken.broken_until + 1, "each break is longer than the last"

    mended, granted, _ = grant(limit, probed, Ask(50, 0, answered=True), NOBODY, me="a", now=1002.0)
    assert granted.calls == 10
    assert state_of(mended, 1002.0) == BudgetState.OPEN
    assert mended.breaks == 0


def test_calls_begun_before_a_break_do_not_make_it_longer() -> None:
    limit = Limit("bank", per_second=20)
    broken = Budget(failures=FAILURES_MAX, broken_until=1001.0, breaks=1)

    after, _, _ = grant(limit, broken, Ask(5, 3, failures=4), NOBODY, me="a", now=1000.5)

    assert after == replace(broken, failures=FAILURES_MAX + 4)


def test_a_probe_whose_outcome_nobody_tells_is_made_again() -> None:
    limit = Limit("bank", per_second=20)
    probed = Budget(failures=FAILURES_MAX, broken_until=1030.0, breaks=1, is_probing=True)

    _, granted, _ = grant(limit, probed, Ask(5, 0), NOBODY, me="a", now=1030.1)

    assert granted.calls == 1


@pytest.mark.parametrize("limit", [Limit("bank"), Limit("bank", per_second=20)])
def test_the_breaker_stands_for_every_provider_limit_or_not(limit: Limit) -> None:
    broken, granted, _ = grant(
        limit, Budget(), Ask(5, 0, failures=FAILURES_MAX), NOBODY, me="a", now=1000.0
    )
    assert (granted.calls, granted.state, granted.is_troubled) == (0, BudgetState.BROKEN, True)

    probed, granted, _ = grant(limit, broken, Ask(5, 0), NOBODY, me="a", now=1001.5)
    assert (granted.calls, granted.state) == (1, BudgetState.PROBED)

    _, granted, _ = grant(limit, probed, Ask(5, 0, answered=True), NOBODY, me="a", now=1002.0)
    assert granted.state == BudgetState.OPEN
    assert granted.calls != 0


def test_who_gets_through_is_known_for_each_sort_of_call() -> None:
    """An inquiry that is answered does not say that charges are made again."""
    failed = Heard(failed=3, is_failing=True)
    heard = {"charge": failed, "resolve_charge": Heard(answered=1, answered_ago_s=2.0)}
    budget, granted, _ = grant(
        Limit("gateway"), Budget(), Ask(0, 0, heard=heard), NOBODY, me="a", now=1000.0
    )
    later, _, _ = grant(
        Limit("gateway"), budget, Ask(0, 0, heard={"charge": failed}), NOBODY, me="a", now=1005.0
    )
    mended, _, _ = grant(
        Limit("gateway"),
        later,
        Ask(0, 0, heard={"charge": Heard(answered=1, answered_ago_s=0.5)}),
        NOBODY,
        me="b",
        now=1010.0,
    )

    assert granted.is_troubled
    assert later.works["charge"] == Work(failing_since=1000.0)
    assert later.works["resolve_charge"] == Work(got_through_at=998.0)
    assert mended.works["charge"] == Work(got_through_at=1009.5)


def test_the_failing_share_is_that_of_the_latest_calls() -> None:
    heard = {"charge": Heard(answered=30, failed=10)}
    budget, _, _ = grant(
        Limit("gateway"), Budget(), Ask(0, 0, heard=heard), NOBODY, me="a", now=1000.0
    )

    assert standing_of(budget, 1000.0).failing_share == pytest.approx(0.25)
    assert standing_of(budget, 1005.0).failing_share == pytest.approx(0.25)
    assert standing_of(budget, 1600.0).failing_share is None, "long ago is not lately"
    assert standing_of(Budget(), 1000.0).failing_share is None


@pytest.mark.parametrize(
    ("limit", "param"),
    [
        (Limit("bank"), "per_second"),
        (Limit("bank", per_second=0), "per_second"),
        (Limit("bank", per_second=-1), "per_second"),
        (Limit("bank", per_second=float("nan")), "per_second"),
        (Limit("bank", at_once=0), "at_once"),
        (Limit("bank", at_once=1_000_000), "at_once"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(limit: Limit, param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_limit(limit)

    assert caught.value.param == param
