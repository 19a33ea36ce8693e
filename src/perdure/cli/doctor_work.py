"""What `perdure doctor` says of the work itself: what stands still, and why."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from perdure.capabilities import attribute, installed
from perdure.capability.verification import Run, last_runs
from perdure.cli.findings import Finding, Health
from perdure.legacy.doctor import look as look_at_legacy
from perdure.limits import store as limits
from perdure.operations.model import Status
from perdure.operations.standing import Standstill, standstills
from perdure.storage.pool import Pool

_LONG: Final = {Status.UNKNOWN: timedelta(minutes=1), Status.WAITING: timedelta(minutes=10)}
"""Nothing stands so for so long, while the providers answer and confirm."""


async def look_at_work(pool: Pool) -> AsyncIterator[Finding]:
    """Look at what needs somebody, at the limits, and at what the kinds have to say."""
    parked = await pool.fetchval(
        f"SELECT count(*) FROM operations WHERE status = '{Status.NEEDS_ATTENTION}'"
    )
    if parked:
        fix = f"perdure operations list --status {Status.NEEDS_ATTENTION}"
        yield Finding("attention", Health.WARN, f"{parked} operations need somebody", fix)
    else:
        yield Finding("attention", Health.OK, "no operation needs anybody")
    for found in [_standstill(*entry) for entry in (await standstills(pool)).items()]:
        yield found
    troubled = [one for one in await limits.statuses(pool) if not one.standing.is_well]
    for status in troubled:
        detail = f"{status.limit.provider} {status.standing}; {status.wanted} calls wait here"
        yield Finding("providers", Health.WARN, detail, "perdure limits list")
    if not troubled:
        yield Finding("providers", Health.OK, "those that were called lately answer")
    for found in await look_at_legacy(pool):
        yield found
    for kind in installed().values():
        if kind.doctor:
            for found in await attribute(kind.doctor)(pool):
                yield found
    yield _verified(*await last_runs(pool))


def _standstill(status: Status, found: Standstill) -> Finding:
    if found.oldest_s is None:
        return Finding(status, Health.OK, "none")
    detail = f"{found.count}, the oldest for {found.oldest_s:.0f} s"
    if timedelta(seconds=found.oldest_s) > _LONG[status]:
        return Finding(status, Health.WARN, detail, f"perdure operations list --status {status}")
    return Finding(status, Health.OK, detail)


def _verified(last: Run | None, last_whole: Run | None) -> Finding:
    if last is None:
        return Finding("verify", Health.OK, "has not run yet")
    if last.violations:
        detail = (
            f"found {last.violations} rows that break an invariant at {last.ended_at:%F %T} UTC"
        )
        return Finding("verify", Health.WARN, detail, "perdure verify")
    detail = f"found nothing at {last.ended_at:%F %T} UTC"
    if last_whole is not None:
        detail += f", looked at everything at {last_whole.ended_at:%F %T}"
    return Finding("verify", Health.OK, detail)
