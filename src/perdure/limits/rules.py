"""How a provider's budget is divided, without effects.

The rate is a virtual schedule (the generic cell rate algorithm, ITU-T I.371): each call granted
moves the moment at which the next may begin. Processes take calls in blocks of half a second, so
asking costs little, and a change is felt at once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from perdure.core.errors import InvalidInput, NotFound
from perdure.limits.model import (
    Ask,
    Budget,
    BudgetState,
    Grant,
    Limit,
    Share,
    Standing,
    Work,
)

HORIZON_S: Final = 0.5
"""How far ahead calls are granted."""
_AGAIN_S_MAX: Final = 1.0
"""A process that waits asks as often as this, so that a changed limit is felt."""
_AGAIN_S_MIN: Final = 0.1
_SLOTS_AGAIN_S: Final = 0.25
"""The same where places have to go round."""

FAILURES_MAX: Final = 10
"""After as many calls in a row without an answer nobody calls for a while."""
_BREAK_S: Final = 1.0
_BREAK_S_MAX: Final = 10.0
"""A call in ten seconds costs a provider nothing, and what waits goes on soon after it is back."""
_PROBE_S: Final = 30.0
"""How long the outcome of a probe is waited for: longer than any call takes."""

_HALF_LIFE_S: Final = 10.0
"""After how long a call counts for half among the latest."""
_LATELY: Final = 0.1
"""How much of a failed call has to be left for its provider to be in trouble."""

PER_SECOND_MAX: Final = 100_000.0
AT_ONCE_MAX: Final = 100_000


def check_limit(limit: Limit) -> None:
    """Refuse a limit that cannot be kept.

    Raises:
        InvalidInput: `per_second` or `at_once` is out of range, or both are missing.
    """
    if limit.per_second is None and limit.at_once is None:
        raise InvalidInput(
            "Say how many calls a second, how many at once, or both.",
            code="limit_missing",
            param="per_second",
        )
    if limit.per_second is not None and not 0 < limit.per_second <= PER_SECOND_MAX:
        raise InvalidInput(
            f"The rate is more than 0 and at most {PER_SECOND_MAX:,.0f} calls a second;"
            " to stop calling a provider, let one call through every hour: 0.0003.",
            code="invalid_rate",
            param="per_second",
        )
    if limit.at_once is not None and not 1 <= limit.at_once <= AT_ONCE_MAX:
        raise InvalidInput(
            f"From 1 to {AT_ONCE_MAX:,} calls may be under way at once.",
            code="invalid_concurrency",
            param="at_once",
        )


def check_provider(provider: str, known: Collection[str]) -> None:
    """Refuse a provider that nobody calls: its limit would limit nothing.

    Raises:
        NotFound: `provider_not_found`.
    """
    if provider in known:
        return
    nearest = get_close_matches(provider, known, n=1)
    guess = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(known))}."
    raise NotFound(
        f"There is no provider {provider}; {guess}", code="provider_not_found", param="provider"
    )


def grant(
    limit: Limit, budget: Budget, ask: Ask, others: Mapping[str, Share], *, me: str, now: float
) -> tuple[Budget, Grant, Share]:
    """Decide what a process may do.

    Args:
        others: What the other processes hold, by their names.
        me: The asking process's name.
        now: Seconds of the clock that the budget's moments are of.

    Returns the budget afterwards, what is granted, and what the process holds from here on.
    """
    budget = _heard(budget, ask, now)
    budget, granted, share = _granted(limit, budget, ask, others, me=me, now=now)
    return budget, replace(granted, is_troubled=is_troubled(budget, now)), share


def _granted(
    limit: Limit, budget: Budget, ask: Ask, others: Mapping[str, Share], *, me: str, now: float
) -> tuple[Budget, Grant, Share]:
    wants = {name: other.wanted for name, other in others.items()}
    wants[me] = ask.waiting + ask.under_way

    def part(total: int, turn: int) -> int:
        return fair_shares(total, wants, turn=turn)[me]

    at_once, share = _slots(limit, ask, others, part, now=now)
    state = state_of(budget, now)
    again_s_max = _AGAIN_S_MAX if at_once is None else _SLOTS_AGAIN_S
    if state != BudgetState.OPEN:
        closed_for_s = max(budget.broken_until, budget.paused_until) - now
        again_in_s = min(max(closed_for_s, _AGAIN_S_MIN), _AGAIN_S_MAX)
        return budget, Grant(0, 0, 0, at_once, again_in_s, state), share
    wanted = max(ask.waiting - ask.granted, 0)
    if not wanted or at_once == 0:
        return budget, Grant(0, 0, 0, at_once, again_s_max, state), share
    if budget.broken_until:
        budget = replace(budget, broken_until=now + _PROBE_S, is_probing=True)
        return budget, Grant(1, 0, 0, at_once, _AGAIN_S_MAX, BudgetState.PROBED), share
    if limit.per_second is None:
        return budget, Grant(None, 0, 0, at_once, again_s_max, state), share

    def part_of_block(block: int) -> int:
        return min(part(block, int(now / HORIZON_S)), wanted)

    budget, granted = _scheduled(limit.per_second, budget, part_of_block, at_once, now=now)
    return budget, granted, share


def _heard(budget: Budget, ask: Ask, now: float) -> Budget:
    """Return the budget with what the calls that ended tell."""
    budget = _noted(replace(budget, calls=budget.calls + ask.begun), ask, now)
    if ask.answered:
        budget = replace(budget, failures=0, broken_until=0.0, breaks=0, is_probing=False)
    if ask.retry_after_s:
        until = max(budget.paused_until, now + ask.retry_after_s)
        budget = replace(budget, paused_until=until)
    if not ask.failures:
        return budget
    budget = replace(budget, failures=budget.failures + ask.failures)
    # Calls begun before a break may fail long into it: only its probe makes it longer.
    is_broken = budget.broken_until > 0 and not budget.is_probing
    if budget.failures < FAILURES_MAX or is_broken:
        return budget
    pause_s = min(_BREAK_S * 2**budget.breaks, _BREAK_S_MAX)
    return replace(budget, broken_until=now + pause_s, breaks=budget.breaks + 1, is_probing=False)


def _noted(budget: Budget, ask: Ask, now: float) -> Budget:
    """Return the budget with who got through, and how the latest calls ended."""
    if not ask.heard:
        return budget
    works = {**budget.works}
    for name, heard in ask.heard.items():
        work = works.get(name, Work())
        if heard.answered_ago_s is not None:
            at = max(work.got_through_at, now - heard.answered_ago_s)
            work = Work(failing_since=0.0, got_through_at=at)
        if heard.is_failing:
            work = replace(work, failing_since=work.failing_since or now)
        works[name] = work
    answered, failed = latest(budget, now)
    return replace(
        budget,
        works=works,
        latest_answered=answered + sum(heard.answered for heard in ask.heard.values()),
        latest_failed=failed + sum(heard.failed for heard in ask.heard.values()),
        told_at=now,
    )


def latest(budget: Budget, now: float) -> tuple[float, float]:
    """Return what the latest calls count for now: those that were answered, and those not."""
    left = 0.5 ** (max(now - budget.told_at, 0.0) / _HALF_LIFE_S)
    return budget.latest_answered * left, budget.latest_failed * left


def is_troubled(budget: Budget, now: float) -> bool:
    """Whether calls have failed lately, or are not made."""
    _, failed = latest(budget, now)
    return failed > _LATELY or state_of(budget, now) != BudgetState.OPEN or budget.broken_until > 0


def standing_of(budget: Budget, now: float) -> Standing:
    """Return how a provider stands."""
    answered, failed = latest(budget, now)
    failing = [work.failing_since for work in budget.works.values() if work.failing_since]
    until = max(budget.broken_until, budget.paused_until)
    return Standing(
        state_of(budget, now),
        _moment(now),
        failing_share=failed / (answered + failed) if failed > _LATELY else None,
        failing_since=_moment(min(failing)) if failing else None,
        until=_moment(until) if until > now else None,
        works=budget.works,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def state_of(budget: Budget, now: float) -> BudgetState:
    """Return whether the provider is called now."""
    if budget.broken_until > now:
        return BudgetState.PROBED if budget.is_probing else BudgetState.BROKEN
    if budget.paused_until > now:
        return BudgetState.PAUSED
    return BudgetState.OPEN


def _slots(
    limit: Limit,
    ask: Ask,
    others: Mapping[str, Share],
    part: Callable[[int, int], int],
    *,
    now: float,
) -> tuple[int | None, Share]:
    wanted = ask.waiting + ask.under_way
    if limit.at_once is None:
        return None, Share(wanted, 0)
    free = limit.at_once - sum(other.slots for other in others.values())
    mine = max(min(part(limit.at_once, int(now)), free), 0)
    # What is under way cannot be taken back; it is given up as it ends.
    return mine, Share(wanted, max(mine, ask.under_way))


def _scheduled(
    per_second: float,
    budget: Budget,
    part: Callable[[int], int],
    at_once: int | None,
    *,
    now: float,
) -> tuple[Budget, Grant]:
    """Grant a part of the calls that the schedule has room for."""
    interval_s = 1 / per_second
    start = max(budget.next_at, now)
    ahead_s = start - now
    if ahead_s > HORIZON_S:
        again_in_s = min(max(ahead_s - HORIZON_S, _AGAIN_S_MIN), _AGAIN_S_MAX)
        return budget, Grant(0, 0, 0, at_once, again_in_s, BudgetState.OPEN)
    calls = part(max(int((HORIZON_S - ahead_s) * per_second), 1))
    if not calls:
        return budget, Grant(0, 0, 0, at_once, _AGAIN_S_MIN, BudgetState.OPEN)
    budget = replace(budget, next_at=start + calls * interval_s)
    # Asked for again while half of it is left, so that the schedule has no gaps.
    again_in_s = min(max(ahead_s + calls * interval_s - HORIZON_S / 2, _AGAIN_S_MIN), _AGAIN_S_MAX)
    return budget, Grant(calls, ahead_s, interval_s, at_once, again_in_s, BudgetState.OPEN)


def fair_shares(total: int, wants: Mapping[str, int], *, turn: int) -> dict[str, int]:
    """Divide a number of places among those who want some (max-min fairness).

    Nobody gets more than it wants; what one leaves, the others share. Where places are fewer than
    claimants, they take turns.

    Args:
        turn: Counts up with time; says who is served first.
    """
    shares = dict.fromkeys(wants, 0)
    names = sorted(name for name, wanted in wants.items() if wanted > 0)
    open_to = names[turn % len(names) :] + names[: turn % len(names)] if names else []
    while open_to and total > 0:
        each = max(total // len(open_to), 1)
        for name in open_to:
            given = min(each, wants[name] - shares[name], total)
            shares[name] += given
            total -= given
        open_to = [name for name in open_to if shares[name] < wants[name]]
    return shares
