"""The three looks at what a sync has read, in parallel: who, what for, and what stands out.

Each writes what it says beside the pages, where `apply` finds it; a page that is gone takes none.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from perdure.bank_sync import runs, transactions
from perdure.bank_sync.anomalies import Seen, detect
from perdure.bank_sync.changes import Latest
from perdure.bank_sync.contracts import BankSyncInput, Looked
from perdure.bank_sync.enriching import merchant_of
from perdure.bank_sync.process import CATEGORISE, DETECT_ANOMALIES, ENRICH
from perdure.bank_sync.staging import ReadPage, Staged
from perdure.bank_sync.taxonomy import category_of
from perdure.core.script import Bodies
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.storage.pool import Pool

HISTORY: Final = timedelta(days=400)
"""How much of an account's past says what is usual: a year, and the month that comes late."""


class BankLooks:
    """Looks at all that a sync has read."""

    def __init__(self, pool: Pool, steps: TransactionalSteps) -> None:
        self._pool = pool
        self._steps = steps

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps."""
        return {
            ENRICH: self.enrich,
            CATEGORISE: self.categorise,
            DETECT_ANOMALIES: self.detect_anomalies,
        }

    async def enrich(self, sync: BankSyncInput) -> Looked:
        """Say of each transaction who it was with, and how."""
        return await self._of_each(sync, ENRICH.row_name, "merchants", merchant_of)

    async def categorise(self, sync: BankSyncInput) -> Looked:
        """Say of each what it is for."""
        return await self._of_each(sync, CATEGORISE.row_name, "categories", category_of)

    async def detect_anomalies(self, sync: BankSyncInput) -> Looked:
        """Say of each whether it stands out among the account's own, and why."""
        latest, pages = Latest(), []
        async for page in self._pages(sync):
            latest.take(page)
            pages.append((page.number, [change["id"] for change in page.changes]))
        new = [told.transaction for told in latest.told.values()]
        history = await self._history(sync, new, latest)
        flags = await asyncio.to_thread(detect, history, [_seen(one) for one in new])
        for number, ids in pages:
            said = {one: flags[one] for one in ids if one in flags}
            await runs.look(self._pool, sync.operation_id, number, "flags", said)
        looked = Looked(len(new), len(flags))
        return await self._done(sync, DETECT_ANOMALIES.row_name, looked)

    async def _of_each(
        self, sync: BankSyncInput, step: str, what: str, say: Callable[[Staged], Any]
    ) -> Looked:
        count = 0
        async for page in self._pages(sync):
            said: Mapping[str, Any] = {one.id: asdict(say(one)) for one in page.transactions()}
            await runs.look(self._pool, sync.operation_id, page.number, what, said)
            count += len(said)
        return await self._done(sync, step, Looked(count, count))

    async def _done(self, sync: BankSyncInput, step: str, looked: Looked) -> Looked:
        async def keep(_: StepTransaction) -> Looked:
            return looked

        return await self._steps.run(sync.operation_id, step, sync, keep, returns=Looked)

    async def _pages(self, sync: BankSyncInput) -> AsyncIterator[ReadPage]:
        run = await runs.find(self._pool, sync.operation_id)
        for number in range(1, 1 + (run.pages if run else 0)):
            if (page := await runs.page(self._pool, sync.operation_id, number)) is not None:
                yield page

    async def _history(self, sync: BankSyncInput, new: list[Staged], latest: Latest) -> list[Seen]:
        """Return what was on the accounts before, without what is told of anew."""
        if not new:
            return []
        told = latest.told.keys() | latest.removed
        rows = await transactions.spent(
            self._pool,
            sync.request.item_id,
            accounts={one.account_id for one in new},
            since=min(one.on for one in new) - HISTORY,
        )
        return [
            Seen(
                row["id"],
                row["account_id"],
                row["amount_minor"],
                row["currency"],
                row["merchant_key"],
                row["merchant"],
                row["at"] or _morning(row["booked_on"]),
                row["pending"],
            )
            for row in rows
            if row["id"] not in told
        ]


def _seen(found: Staged) -> Seen:
    merchant = merchant_of(found)
    return Seen(
        found.id,
        found.account_id,
        found.amount_minor,
        found.currency,
        merchant.key,
        merchant.name,
        found.at or _morning(found.on),
        found.pending,
    )


def _morning(on: date) -> datetime:
    return datetime.combine(on, time(), UTC)
