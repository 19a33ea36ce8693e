"""A bank sync's steps, and its script: pages read to the end, looked at, applied in one commit."""

import asyncio
from collections.abc import Callable
from typing import Final

from perdure.bank_sync import contracts
from perdure.bank_sync.contracts import (
    AGGREGATOR,
    BankSyncEnd,
    BankSyncInput,
    CloseSync,
    Looked,
    Progress,
)
from perdure.capability.contracts import failure_of
from perdure.core.errors import PerdureError
from perdure.core.script import CallStep, Runner, Step

PAGES_MAX: Final = 100
"""In one run of the workflow, so that its history stays short."""

FETCH_PAGE: Final = CallStep(
    contracts.FETCH_PAGE, BankSyncInput, Progress, provider=lambda _: AGGREGATOR
)
"""Read the next page, and keep it with its cursor; where the loop is broken, begin it anew."""

ENRICH: Final = Step(contracts.ENRICH, BankSyncInput, Looked, takes_long=True)
"""Say of each transaction who it was with, and how."""

CATEGORISE: Final = Step(contracts.CATEGORISE, BankSyncInput, Looked, takes_long=True)
"""Say of each what it is for."""

DETECT_ANOMALIES: Final = Step(contracts.DETECT_ANOMALIES, BankSyncInput, Looked, takes_long=True)
"""Say of each whether it stands out among the account's own, and why."""

APPLY: Final = Step(contracts.APPLY, BankSyncInput, BankSyncEnd, takes_long=True)
"""Write all of it, its ledger entries and the cursor: from here on the sync has succeeded."""

CLOSE: Final = Step(contracts.CLOSE, CloseSync, BankSyncEnd, undoes=True)
"""Forget what was read: the sync has failed, or is cancelled."""


async def run_bank_sync(
    sync: BankSyncInput, steps: Runner, told: Callable[[Progress], None] = lambda _: None
) -> BankSyncEnd | None:
    """Carry a sync to its end: all that happened applied, or nothing of it.

    Args:
        told: Told of each page.

    Returns:
        How it ended; None: there are more pages than one history should have.
    """
    try:
        for _ in range(PAGES_MAX):
            progress = await steps.run(FETCH_PAGE, sync)
            told(progress)
            if not progress.has_more:
                break
        else:
            return None
        looks = (steps.run(look, sync) for look in (ENRICH, CATEGORISE, DETECT_ANOMALIES))
        # Each comes to its end, also where another fails: none is left under way behind `close`.
        for looked in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(looked, BaseException):
                raise looked
        return await steps.run(APPLY, sync)
    except PerdureError as error:
        return await steps.run(CLOSE, CloseSync(sync, failure_of(error)))
