"""Limits and budgets in PostgreSQL."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg

from perdure.core.errors import NotFound
from perdure.core.text import check_text
from perdure.limits.model import (
    Ask,
    Budget,
    BudgetState,
    Grant,
    Limit,
    LimitChange,
    Share,
    Standing,
    Work,
)
from perdure.limits.rules import check_limit, grant, standing_of
from perdure.storage.pool import Connection, Pool, transaction

_LEASE_S: Final = 15.0
"""How long what a process holds stays its own after it asked last: longer than most calls take."""


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """A provider's limit, and how it and its budget stand over the whole fleet.

    Args:
        limit: Without figures where it has none.
        calls: How many were begun; None where it has no limit: nobody counts them.
        wanted: Calls that are made, or wait for the limit in some process.
        under_way: Places that processes hold, where the limit says how many.
    """

    limit: Limit
    standing: Standing
    calls: int | None
    wanted: int
    under_way: int

    @property
    def state(self) -> BudgetState:
        """Whether it is called."""
        return self.standing.state


async def budgets(connection: Connection | Pool) -> dict[str, tuple[Limit, Budget, float]]:
    """Return each provider's limit and budget, as far as anything is known of it, and the time."""
    rows = await connection.fetch(
        "SELECT provider, per_second, at_once, budget,"
        " extract(epoch FROM clock_timestamp())::float8 AS now FROM limits"
    )
    return {
        row["provider"]: (
            Limit(row["provider"], row["per_second"], row["at_once"]),
            _budget(row["budget"]),
            row["now"],
        )
        for row in rows
    }


async def standing(connection: Connection | Pool, provider: str) -> Standing:
    """Return how a provider stands."""
    row = await connection.fetchrow(
        "SELECT extract(epoch FROM clock_timestamp())::float8 AS now,"
        " (SELECT budget FROM limits WHERE provider = $1) AS budget",
        provider,
    )
    assert row is not None
    return standing_of(_budget(row["budget"] or {}), row["now"])


async def statuses(
    connection: Connection | Pool, providers: Iterable[str] = ()
) -> list[LimitStatus]:
    """Return how providers stand, by their names: these, and all of which anything is known."""
    rows = await connection.fetch(
        "SELECT provider, per_second, at_once, budget,"
        " extract(epoch FROM clock_timestamp())::float8 AS now,"
        " (SELECT coalesce(sum(wanted), 0) FROM limit_shares AS held"
        "  WHERE held.provider = one.provider AND lease_until > clock_timestamp()) AS wanted,"
        " (SELECT coalesce(sum(slots), 0) FROM limit_shares AS held"
        "  WHERE held.provider = one.provider AND lease_until > clock_timestamp()) AS slots"
        " FROM (SELECT unnest($1::text[]) AS provider UNION SELECT provider FROM limits) AS one"
        " LEFT JOIN limits USING (provider) ORDER BY provider",
        [*providers],
    )
    return [_status(row) for row in rows]


def _status(row: asyncpg.Record) -> LimitStatus:
    budget = _budget(row["budget"] or {})
    limit = Limit(row["provider"], row["per_second"], row["at_once"])
    return LimitStatus(
        limit,
        standing_of(budget, row["now"]),
        None if limit.is_none else budget.calls,
        row["wanted"],
        row["slots"],
    )


def _budget(kept: dict[str, Any]) -> Budget:
    works = {name: Work(**work) for name, work in kept.get("works", {}).items()}
    return Budget(**{**kept, "works": works})


async def set_limit(pool: Pool, limit: Limit, *, actor: str, reason: str) -> LimitChange:
    """Set a provider's limit; every running process keeps it within some seconds.

    Raises:
        InvalidInput: See `rules.check_limit`.
    """
    check_limit(limit)
    check_text("provider", limit.provider)
    check_text("reason", reason)
    async with transaction(pool) as connection:
        before = await _lock(connection, limit.provider)
        # What is scheduled by the old rate must not hold up the new one.
        await connection.execute(
            "INSERT INTO limits (provider, per_second, at_once, budget) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (provider) DO UPDATE SET per_second = $2, at_once = $3,"
            """ budget = limits.budget || '{"next_at": 0}'""",
            limit.provider,
            limit.per_second,
            limit.at_once,
            asdict(Budget()),
        )
        return await _record_change(
            connection, limit.provider, (before, limit), actor=actor, reason=reason
        )


async def remove_limit(pool: Pool, provider: str, *, actor: str, reason: str) -> LimitChange:
    """Have a provider be called without a limit.

    Raises:
        InvalidInput: There is no reason.
        NotFound: It has none.
    """
    check_text("reason", reason)
    async with transaction(pool) as connection:
        before = await _lock(connection, provider)
        if before is None:
            raise NotFound(
                f"{provider} has no limit; `perdure limits list` shows those there are.",
                code="limit_not_found",
                param="provider",
            )
        await connection.execute(
            "UPDATE limits SET per_second = NULL, at_once = NULL WHERE provider = $1", provider
        )
        return await _record_change(
            connection, provider, (before, None), actor=actor, reason=reason
        )


async def _lock(connection: Connection, provider: str) -> Limit | None:
    row = await connection.fetchrow(
        "SELECT provider, per_second, at_once FROM limits WHERE provider = $1 FOR UPDATE", provider
    )
    limit = Limit(**dict(row)) if row else None
    return None if limit is None or limit.is_none else limit


async def _record_change(
    connection: Connection,
    provider: str,
    change: tuple[Limit | None, Limit | None],
    *,
    actor: str,
    reason: str,
) -> LimitChange:
    before, after = change
    row = await connection.fetchrow(
        "INSERT INTO limit_changes (provider, actor, reason, before, after)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING provider, at, actor, reason, before, after",
        provider,
        actor,
        reason,
        _figures(before),
        _figures(after),
    )
    assert row is not None
    return LimitChange(**dict(row))


def _figures(limit: Limit | None) -> dict[str, Any] | None:
    return {"per_second": limit.per_second, "at_once": limit.at_once} if limit else None


async def changes(
    connection: Connection | Pool, provider: str | None = None, *, limit: int = 100
) -> Sequence[LimitChange]:
    """Return who changed which limit, the latest first."""
    rows = await connection.fetch(
        "SELECT provider, at, actor, reason, before, after FROM limit_changes"
        " WHERE $1::text IS NULL OR provider = $1 ORDER BY id DESC LIMIT $2",
        provider,
        limit,
    )
    return [LimitChange(**dict(row)) for row in rows]


async def ask(pool: Pool, provider: str, process: str, asked: Ask) -> Grant:
    """Ask for calls on behalf of a process, and tell how those that ended did."""
    async with transaction(pool) as connection:
        # It is rebuilt within a second if the database loses it, so nothing waits for the disk.
        await connection.execute("SET LOCAL synchronous_commit = off")
        row = await connection.fetchrow(_BUDGET, provider)
        if row is None:
            await connection.execute(
                "INSERT INTO limits (provider, budget) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                provider,
                asdict(Budget()),
            )
            row = await connection.fetchrow(_BUDGET, provider)
        assert row is not None, "a provider's row is never deleted"
        shares = await connection.fetch(
            "SELECT process, wanted, slots FROM limit_shares"
            " WHERE provider = $1 AND process <> $2 AND lease_until > clock_timestamp()",
            provider,
            process,
        )
        now: float = await connection.fetchval(
            "SELECT extract(epoch FROM clock_timestamp())::float8"
        )
        budget, granted, share = grant(
            Limit(provider, row["per_second"], row["at_once"]),
            _budget(row["budget"]),
            asked,
            {row["process"]: Share(row["wanted"], row["slots"]) for row in shares},
            me=process,
            now=now,
        )
        await connection.execute(_WRITE, provider, process, asdict(budget), *_held(share))
        return granted


_BUDGET: Final = "SELECT per_second, at_once, budget FROM limits WHERE provider = $1 FOR UPDATE"


def _held(share: Share) -> tuple[int, int, float]:
    # One that wants nothing any more is forgotten at once.
    return share.wanted, share.slots, _LEASE_S if share.wanted else 0.0


_WRITE: Final = """
WITH written AS (UPDATE limits SET budget = $3 WHERE provider = $1)
INSERT INTO limit_shares (provider, process, wanted, slots, lease_until)
VALUES ($1, $2, $4, $5, clock_timestamp() + make_interval(secs => $6))
ON CONFLICT (provider, process)
DO UPDATE SET wanted = $4, slots = $5, lease_until = excluded.lease_until
"""


async def forget(pool: Pool, process: str) -> None:
    """Give back what a process holds, and clear away what processes that are gone held."""
    await pool.execute(
        "DELETE FROM limit_shares WHERE process = $1 OR lease_until < now() - interval '1 hour'",
        process,
    )
