"""What `perdure doctor` says of the system before this one: what it still holds."""

from datetime import timedelta
from typing import Final

from perdure.cli.findings import Finding, Health
from perdure.core.clock import utc_now
from perdure.legacy import queue
from perdure.storage.pool import Pool

_STANDS_STILL_AFTER: Final = timedelta(minutes=10)
"""The old system looks every few seconds; what waits for so long waits for a worker."""


async def look(pool: Pool) -> list[Finding]:
    """Look at the backlog of each part."""
    return [_old_system(backlog) for backlog in await queue.backlogs(pool)]


def _old_system(backlog: queue.Backlog) -> Finding:
    detail = f"{backlog.part}: {backlog.queued} queued, {backlog.running} running"
    oldest_at = backlog.oldest_at
    if oldest_at is not None and utc_now() - oldest_at > _STANDS_STILL_AFTER:
        fix = f"Start `perdure legacy worker`, or perdure legacy move {backlog.part}."
        return Finding("old system", Health.WARN, f"{detail}, since {oldest_at:%F %T} UTC", fix)
    return Finding("old system", Health.OK, detail)
