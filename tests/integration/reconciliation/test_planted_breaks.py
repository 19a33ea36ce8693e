"""Breaks that were planted are found, and no others; found again they are the same."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

from bench.planted_breaks import not_as_planted, plant

from perdure.core.clock import utc_now
from perdure.reconciliation.contracts import Stretch
from perdure.reconciliation.run import batches
from perdure.storage.pool import Pool

from .runs import ENDED, begin, compare_all, give_out, reconcile

DAY = utc_now().date() - timedelta(days=1)
ACCOUNTS = 400
BREAKS = 80


async def test_planted_breaks_of_all_classes_are_found_and_none_invented(books: Pool) -> None:
    await plant(books, accounts=ACCOUNTS, breaks=BREAKS, day=DAY)
    # A stretch whose worker ends, a batch done twice, and one that is cut otherwise.
    operation_id, cutoff = await begin(books, DAY), await give_out(books, DAY)
    ends = await batches.cut(books, "", batch=70, batches=3)
    over = asyncio.Event()
    over.set()
    for _ in range(2):
        stretch = Stretch(operation_id, DAY.isoformat(), cutoff, "", ends, pause_s=60)
        ended = await batches.compare_stretch(books, stretch, over)
        assert (ended.batches, ended.accounts) == (1, 70)
    await compare_all(books, operation_id, DAY, cutoff, batch=70)
    assert await not_as_planted(books) == []
    rows = await books.fetch("SELECT break_class, id FROM reconciliation_breaks")
    assert Counter(row["break_class"] for row in rows) == dict.fromkeys(
        {row["break_class"] for row in rows}, BREAKS // 8
    )
    assert len({row["break_class"] for row in rows}) == 8

    # Found again, by another run, each is the one it was.
    await books.execute(ENDED, operation_id)
    again = await reconcile(books, DAY, batch=random.Random(7).randint(20, 90))
    assert (again.breaks_in_all, again.new, again.matched_entries) == (BREAKS, 0, 0)
    assert {row["id"] for row in await books.fetch("SELECT id FROM reconciliation_breaks")} == {
        row["id"] for row in rows
    }
    opened = await books.fetch(
        "SELECT status, failure->>'code' AS code FROM operations WHERE id = ANY($1)",
        [row["id"] for row in rows],
    )
    assert Counter(row["code"] for row in opened) == Counter(row["break_class"] for row in rows)
    assert {row["status"] for row in opened} == {"needs_attention"}
