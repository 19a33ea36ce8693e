"""What becomes of a step whose provider gave no answer: tried again, waited for, or given up.

Only what the provider was asked counts as a try, and is counted where it is recorded, in
`operation_steps`. Once the tries are used up, a step is given up if others get through meanwhile.
If nobody does, the provider is away for all, and the operation waits for it, up to its patience.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from perdure.core.clock import utc_now
from perdure.core.errors import (
    CREDENTIALS_REFUSED,
    EARLIER_CALL_UNDER_WAY,
    ProviderAway,
    ProviderError,
    ProviderNotCalled,
)
from perdure.limits import store as limits
from perdure.limits.model import BudgetState, Standing, Work
from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import Pool, transaction

TRIES_MAX: Final = 5

LOOK_AGAIN_S: Final = 10.0
"""How often what waits for a provider looks whether it is back."""
_SPREAD_S: Final = 2.0
"""Those that wait do not come all at once."""

_SAYS_NOTHING: Final = (Status.PENDING, Status.PROCESSING)
"""What an operation stands at that does not say that it waits."""

_CLOCKS_APART_S: Final = 5.0
"""How far the clocks of Temporal and a worker may be apart."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a step of an operation waits for its provider.

    Args:
        seconds: How long, from when it first found out that nobody gets through.
        code: The failure's, while it waits, and when it is parked; it ends with `_unavailable`, by
            which it is known for a breakdown.
        tries_max: How often it is tried, while others get through.
    """

    seconds: float
    code: str
    tries_max: int = TRIES_MAX


@dataclass(frozen=True, slots=True)
class StepAtProvider:
    """A step that calls a provider.

    Args:
        step: Its name, as in `operation_steps`.
    """

    operation_id: str
    step: str
    provider: str


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a step was tried, without the provider's giving an answer.

    Args:
        second_at: When the second of them began. What was answered since then was so while this
            step failed; the first may have been under way as the provider went away.
    """

    count: int = 0
    second_at: datetime | None = None


class ProviderWaits:
    """Decides whether a step goes on trying.

    Args:
        patience: By the step's name; one that has none is tried until its time is over.
    """

    def __init__(self, pool: Pool, patience: Mapping[str, Patience]) -> None:
        self._pool = pool
        self.patience = dict(patience)

    def patience_of(self, step: str) -> Patience | None:
        """Return how long a step waits; None: it is not ended here."""
        return self.patience.get(step)

    async def tries(self, at: StepAtProvider, *, since: datetime, otherwise: int) -> Tries:
        """Return how often a step was tried.

        Args:
            since: The tries of now began then.
            otherwise: The count where there is no operation, and so no record.
        """
        row = await self._pool.fetchrow(
            _TRIES, at.operation_id, at.step, since - timedelta(seconds=_CLOCKS_APART_S)
        )
        if row is None:
            return Tries(otherwise, since if otherwise else None)
        return Tries(row["count"], row["second_at"])

    async def weigh(self, at: StepAtProvider, error: ProviderError, before: Tries) -> None:
        """Decide what an unanswered try leads to; the error says so from here on.

        Args:
            before: The tries before this one.

        Raises:
            ProviderAway: It has waited for as long as it may, or would have to.
        """
        if error.code == EARLIER_CALL_UNDER_WAY:
            return
        patience = self.patience[at.step]
        was_a_try = not isinstance(error, ProviderNotCalled) and not error.asked_wait_s
        are_used_up = before.count + was_a_try >= patience.tries_max
        if was_a_try and not are_used_up:
            return
        standing = await limits.standing(self._pool, at.provider)
        # Who refuses our credentials says nothing of the operation, whomever else it lets through.
        knows_us = error.code != CREDENTIALS_REFUSED
        if was_a_try and knows_us and _others_get_through(at, standing, before):
            error.is_last = True
            return
        if _only_slows_down(at, standing, error):
            return
        because = None if knows_us else error.message
        left_s = await self.wait(at, standing, asked_wait_s=error.asked_wait_s, because=because)
        error.retry_after_s = _look_again_in_s(standing, error, left_s)

    async def wait(
        self,
        at: StepAtProvider,
        standing: Standing | None = None,
        *,
        asked_wait_s: float | None = None,
        because: str | None = None,
    ) -> float:
        """Have the operation say that it waits for the provider; returns how long it still may.

        Args:
            because: Why, where more is known than that nobody gets through.

        Raises:
            ProviderAway: It has waited for as long as it may, or would have to.
        """
        standing = standing or await limits.standing(self._pool, at.provider)
        patience = self.patience[at.step]
        asked_until = _asked_until(standing, asked_wait_s)
        why = because or _why(at.provider, standing, asked_until)
        since = await self._since(at, Failure(patience.code, f"{why} It is waited for.", at.step))
        until = since + timedelta(seconds=patience.seconds)
        if standing.now >= until:
            raise ProviderAway(
                f"{why} It was waited for since {_clock(since)}; relaunch the operation when it is"
                " back.",
                code=patience.code,
            )
        if asked_until is not None and asked_until > until:
            raise ProviderAway(
                f"{why} That is longer than it is waited for; relaunch the operation then.",
                code=patience.code,
            )
        return (until - standing.now).total_seconds()

    async def _since(self, at: StepAtProvider, failure: Failure) -> datetime:
        """Return since when the step waits; from now on, if it did not."""
        action = f"{at.step}_waits"
        found = await self._pool.fetchrow(_SINCE, at.operation_id, action)
        if found is None:
            return utc_now()  # a workflow of the same shape, started by hand
        since: datetime | None = found["since"]
        if since is not None and found["status"] not in _SAYS_NOTHING:
            return since
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, at.operation_id)
            since = since or await connection.fetchval("SELECT clock_timestamp()")
            assert since is not None
            ends = operation.is_finished or operation.is_reversing or operation.cancel_request
            if ends or operation.park_request:
                return since
            if operation.status in (*_SAYS_NOTHING, Status.WAITING):
                await store.move(
                    connection,
                    operation,
                    Status.WAITING,
                    action=action,
                    reason=failure.message,
                    failure=failure,
                )
            elif operation.status == Status.UNKNOWN:
                await store.note(
                    connection, operation, actor=store.SYSTEM, action=action, reason=failure.message
                )
            return since


def _others_get_through(at: StepAtProvider, standing: Standing, before: Tries) -> bool:
    """Whether other operations are answered while this one is not."""
    work = standing.works.get(at.step)
    if work is None or before.second_at is None:
        return False
    return work.got_through_at > before.second_at.timestamp()


def _only_slows_down(at: StepAtProvider, standing: Standing, error: ProviderError) -> bool:
    """Whether the provider asked for a moment, while it serves others."""
    work = standing.works.get(at.step, Work())
    asked_wait_s = error.asked_wait_s or 0.0
    got_through_ago_s = standing.now.timestamp() - work.got_through_at
    return 0 < asked_wait_s <= LOOK_AGAIN_S and got_through_ago_s < 2 * LOOK_AGAIN_S


def _look_again_in_s(standing: Standing, error: ProviderError, left_s: float) -> float:
    in_s = max(error.retry_after_s or 0.0, LOOK_AGAIN_S)
    if standing.state == BudgetState.PAUSED and standing.until is not None:
        in_s = max(in_s, (standing.until - standing.now).total_seconds())
    return min(in_s, left_s) + random.uniform(0, _SPREAD_S)  # noqa: S311 - no secret


def _asked_until(standing: Standing, asked_wait_s: float | None) -> datetime | None:
    """Return until when the provider asked to be left alone; this call may be the first it told."""
    moments = [standing.now + timedelta(seconds=asked_wait_s)] if asked_wait_s else []
    if standing.state == BudgetState.PAUSED and standing.until is not None:
        moments.append(standing.until)
    return max(moments, default=None)


def _why(provider: str, standing: Standing, asked_until: datetime | None) -> str:
    if asked_until is not None:
        return f"{provider} asked to be left alone until {_clock(asked_until)}."
    if standing.failing_since is not None:
        return f"{provider} has given nobody an answer since {_clock(standing.failing_since)}."
    return f"{provider} gives no answer."


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# What the provider asked to wait for, what another call or our own database held up, is no try.
_TRIES: Final = f"""
SELECT tries.* FROM operations, LATERAL (
    SELECT count(*) AS count, (array_agg(started_at ORDER BY started_at))[2] AS second_at
    FROM operation_steps
    WHERE operation_id = operations.id AND step = $2 AND started_at >= $3
        AND outcome IN ('failed', 'unknown')
        AND NOT coalesce(error ? 'asked_wait_s'
            OR error->>'code' IN ('database_away', '{EARLIER_CALL_UNDER_WAY}'), false)
) AS tries
WHERE operations.id = $1
"""

# Whoever parks it ends the wait, and the next one begins anew.
_SINCE: Final = """
SELECT status, (
    SELECT min(at) FROM operation_trail WHERE operation_id = $1 AND action = $2
    AND id > (SELECT coalesce(max(id), 0) FROM operation_trail
        WHERE operation_id = $1 AND status = 'needs_attention')
) AS since FROM operations WHERE id = $1
"""
