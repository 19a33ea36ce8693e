"""What `perdure doctor` says of the work itself: what stands still, and why."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from perdure.cli.findings import Finding, Health
from perdure.core.clock import utc_now
from perdure.limits import store as limits
from perdure.limits.model import BudgetState
from perdure.operations.model import Status
from perdure.payments import late_charges
from perdure.renewals.legacy import queue as legacy
from perdure.storage.pool import Pool

_STANDS_STILL_AFTER: Final = timedelta(minutes=10)
"""The old system polls every few seconds; what waits for so long waits for a worker."""

_NOT_CALLED: Final = {
    BudgetState.PAUSED: "asked us to wait; its calls wait",
    BudgetState.BROKEN: "failed time and again; it is not called for a while",
    BudgetState.PROBED: "failed time and again; one call finds out whether it is back",
}


async def look_at_work(pool: Pool) -> AsyncIterator[Finding]:
    """Look at what needs somebody, at the limits, and at what the old system still holds."""
    parked = await pool.fetchval(
        "SELECT count(*) FROM operations WHERE status = $1", Status.NEEDS_ATTENTION
    )
    if parked:
        fix = f"perdure operations list --status {Status.NEEDS_ATTENTION}"
        yield Finding("attention", Health.WARN, f"{parked} operations need somebody", fix)
    else:
        yield Finding("attention", Health.OK, "no operation needs anybody")
    if late := await late_charges.count_not_undone(pool):
        detail = f"the gateway has money of {late} payments that ended without success"
        fix = "perdure verify names them; the trail of each says what stands in the way."
        yield Finding("late charges", Health.WARN, detail, fix)
    for status in await limits.statuses(pool):
        if said := _NOT_CALLED.get(status.state):
            detail = f"{status.limit.provider} {said}; {status.wanted} wait"
            yield Finding("limits", Health.WARN, detail, "perdure limits list")
    for backlog in await legacy.backlogs(pool):
        yield _old_system(backlog)


def _old_system(backlog: legacy.Backlog) -> Finding:
    detail = f"{backlog.registry}: {backlog.queued} queued, {backlog.running} running"
    oldest_at = backlog.oldest_at
    if oldest_at is not None and utc_now() - oldest_at > _STANDS_STILL_AFTER:
        fix = f"Start `perdure legacy worker`, or perdure legacy move {backlog.registry}."
        return Finding("old system", Health.WARN, f"{detail}, since {oldest_at:%F %T} UTC", fix)
    return Finding("old system", Health.OK, detail)
