"""A reconciliation's steps, one after the other, as its workflow has them done."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from io import BytesIO

from perdure.reconciliation.acceptance import ReconciliationAcceptance
from perdure.reconciliation.contracts import ReconciliationOptions, Stretch
from perdure.reconciliation.report.summary import Summary, summary_of
from perdure.reconciliation.run import batches, staging
from perdure.reconciliation.sources import BookSource
from perdure.reconciliation.statements.loading import StatementFile, load
from perdure.reconciliation.statements.store import Statement
from perdure.storage.pool import Pool, transaction

ENDED = "UPDATE operations SET status = 'succeeded', finished_at = now() WHERE id = $1"


async def begin(pool: Pool, day: date, *, again: bool = True) -> str:
    """Take a reconciliation in; one that has not ended is the same."""
    async with transaction(pool) as connection:
        acceptance = ReconciliationAcceptance(ReconciliationOptions())
        operation = await acceptance.accept(connection, day, actor="tests", again=again)
    return operation.id


async def give_out(
    pool: Pool, day: date, sources: Mapping[str, BookSource] | None = None
) -> datetime:
    """Give out our entries; returns until when."""
    sources = sources or {}
    async with transaction(pool) as connection:
        cutoff = await staging.begin(connection, day, list(sources))
    while (
        await staging.stage_entries(pool, cutoff, sources, stretch=staging.STRETCH_MAX) is not None
    ):
        pass
    return cutoff


async def compare_all(
    pool: Pool, operation_id: str, day: date, cutoff: datetime, *, batch: int = 100
) -> None:
    """Compare all accounts, batch after batch."""
    after = ""
    while ends := await batches.cut(pool, after, batch=batch, batches=50):
        stretch = Stretch(operation_id, day.isoformat(), cutoff, after, ends, pause_s=0)
        await batches.compare_stretch(pool, stretch, asyncio.Event())
        after = ends[-1]


async def reconcile(
    pool: Pool,
    day: date,
    sources: Mapping[str, BookSource] | None = None,
    *,
    batch: int = 100,
) -> Summary:
    """Compare a day's books; each call is a further run."""
    operation_id = await begin(pool, day)
    cutoff = await give_out(pool, day, sources)
    await compare_all(pool, operation_id, day, cutoff, batch=batch)
    await pool.execute(ENDED, operation_id)
    return await summary_of(pool, operation_id, day)


async def load_text(
    pool: Pool, text: str, *, source: str | None = None, allow_gap: bool = False
) -> list[Statement]:
    """Load a file's statements."""
    content = BytesIO(text.encode())
    file = StatementFile(name="tests", content=content, source=source, allow_gap=allow_gap)
    return await load(pool, file, actor="tests")
