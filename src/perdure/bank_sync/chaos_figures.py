"""What became of a round's bank items, by our books and by the aggregator's own."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from perdure.bank_sync.changes import BOOKED, REVERSED
from perdure.bank_sync.contracts import AGGREGATOR, KIND
from perdure.chaos.books import read_control
from perdure.chaos.load import Outcome, Part
from perdure.chaos.planned import FINISHED, Planned
from perdure.chaos.seen import Finding, Seen, Storm
from perdure.storage.outages import wait_out

GOOD_REASONS: Final = frozenset({"cursor_repeated", "pages_keep_changing"})
"""Why a sync may wait for somebody: what the aggregator tells cannot be believed."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as its row says; and how many entries stand for its transactions."""

    id: str
    provider_item_id: str
    syncing: str | None
    entries: int


@dataclass(frozen=True, slots=True)
class SyncRow:
    """A sync as its row says.

    Args:
        has_pages: What it has read is still there.
    """

    id: str
    item_id: str
    status: str
    failure_code: str | None
    is_finished: bool
    has_pages: bool
    created_at: datetime


Transactions = Mapping[str, tuple[int, bool]]
"""The amount of each in minor units, and whether it is pending, by its id."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a round left.

    Args:
        ours, theirs: Each item's transactions, by our id of it: by our rows, and by the
            aggregator's books.
        booked: How many rows of each have their entry.
    """

    items: Sequence[ItemRow]
    syncs: Sequence[SyncRow]
    ours: Mapping[str, Transactions]
    theirs: Mapping[str, Transactions]
    booked: Mapping[str, int]


def customer_of(storm: Storm) -> str:
    """Return whose the round's items are."""
    return f"{storm.plan.customer_id}-bank"


async def read_items(part: Part) -> list[ItemRow]:
    """Return a round's items."""
    pool, customer_id = part.platform.pool, customer_of(part.storm)
    rows = await wait_out(lambda: pool.fetch(_ITEMS, customer_id))
    return [ItemRow(*row.values()) for row in rows]


async def read_syncs(part: Part) -> list[SyncRow]:
    """Return all that read them."""
    pool, customer_id = part.platform.pool, customer_of(part.storm)
    rows = await wait_out(lambda: pool.fetch(_SYNCS, customer_id))
    return [SyncRow(*row.values()) for row in rows]


async def look(part: Part, _: Mapping[str, int]) -> Outcome:
    """Return what became of a round's items.

    Raises:
        ProviderUnavailable: The database, or the aggregator, stayed away.
    """
    found, syncs = await read_items(part), await read_syncs(part)
    rows = await wait_out(partial(part.platform.pool.fetch, _TRANSACTIONS, customer_of(part.storm)))
    ours: defaultdict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    for row in rows:
        ours[row["item_id"]][row["id"]] = (row["amount_minor"], row["pending"])
    booked = Counter(row["item_id"] for row in rows if row["entry_id"] is not None)
    theirs = {one.id: await _standing(part, one) for one in found}
    left = Left(found, syncs, ours, theirs, booked)
    counts = Counter(
        _ended(one.status, one.failure_code if one.status == "failed" else None) for one in syncs
    )
    counts += Counter(
        {_ended("released", code): count for code, count in part.storm.released[KIND].items()}
    )
    # One sync may be the answer to several.
    answered = [part.storm.seen.get(each.key, Seen()) for each in part.planned]
    accepted = sum(bool(seen.operation_ids) for seen in answered)
    return Outcome(accepted, counts, findings(part.planned, part.storm, left))


def _ended(status: str, why: str | None) -> str:
    return f"{KIND} {status}: {why}" if why else f"{KIND} {status}"


async def _standing(part: Part, item: ItemRow) -> Transactions:
    listed = await read_control(
        part.machine, AGGREGATOR, f"/control/items/{item.provider_item_id}/transactions"
    )
    return {
        one["transaction_id"]: (int(Decimal(str(one["amount"])) * 100), one["pending"])
        for one in listed
    }


def findings(planned: Sequence[Planned], storm: Storm, left: Left) -> list[Finding]:
    """Return everything that is not as it must be, once a round is over."""
    wrong = [
        *_wrong_answers(planned, storm, left.syncs),
        *_wrong_syncs(left.syncs),
        *_wrong_items(left),
        *(
            ("parked_without_reason", code or "nothing", None, f"{count} waited for somebody")
            for code, count in storm.released[KIND].items()
            if code not in GOOD_REASONS
        ),
    ]
    seed = storm.plan.seed
    return [Finding(name, seed, about, found, detail) for name, about, found, detail in wrong]


Wrong = Iterator[tuple[str, str, str | None, str]]
"""Names of findings, what they are about, the sync, and the details."""


def _wrong_answers(planned: Sequence[Planned], storm: Storm, syncs: Sequence[SyncRow]) -> Wrong:
    """Find what a caller was told and is not so: the same sync may answer several."""
    stored = {one.id: one for one in syncs}
    for each in planned:
        seen = storm.seen.get(each.key, Seen())
        told = sorted(set(seen.operation_ids))
        if not told and not seen.refusals:
            yield "not_answered", each.key, None, "no request for it had an answer"
        if seen.refusals:
            yield "refused", each.key, None, f"answered {', '.join(seen.refusals)}"
        if len(told) > 1:
            yield "answers_differ", each.key, told[0], f"one key, answered {', '.join(told)}"
        for sync_id in told:
            if sync_id not in stored:
                yield "lost", each.key, sync_id, "accepted, and there is no such sync"
            elif seen.cancellation == "accepted" and stored[sync_id].status != "cancelled":
                yield "cancellation_lost", each.key, sync_id, f"is {stored[sync_id].status}"
        if seen.cancellation not in (None, "accepted", "refused"):
            yield "cancellation_failed", each.key, None, f"answered {seen.cancellation}"


def _wrong_syncs(syncs: Sequence[SyncRow]) -> Wrong:
    for sync in syncs:
        if sync.status not in FINISHED:
            yield "not_ended", sync.item_id, sync.id, f"still {sync.status} ({sync.failure_code})"
        elif sync.has_pages:
            yield "left_open", sync.item_id, sync.id, f"{sync.status}, with what it has read"


def _wrong_items(left: Left) -> Wrong:
    """Find an item that is claimed still, or of which something is missing, or there twice."""
    for item in left.items:
        if item.syncing is not None:
            yield "claim_differs", item.id, item.syncing, "nothing is under way, and it is claimed"
        ours, theirs = left.ours.get(item.id, {}), left.theirs[item.id]
        for transaction_id in sorted({*ours, *theirs}):
            kept, told = ours.get(transaction_id), theirs.get(transaction_id)
            if kept != told:
                detail = f"{transaction_id} is {kept}; the aggregator has {told}"
                yield "provider_differs", item.id, None, detail
        booked = left.booked.get(item.id, 0)
        if booked != item.entries:
            detail = f"{item.entries} entries stand, for {booked} transactions"
            yield "ledger_differs", item.id, None, detail


_ITEMS: Final = f"""
SELECT i.id, i.provider_item_id, i.syncing,
       (SELECT count(*) FILTER (WHERE t.code = '{BOOKED}')
               - count(*) FILTER (WHERE t.code = '{REVERSED}')
        FROM operations o JOIN ledger_transfers t ON t.operation_id = o.id
        WHERE o.customer_id = $1 AND o.input->'request'->>'item_id' = i.id)
FROM bank_items i WHERE i.customer_id = $1 ORDER BY i.id
"""
_SYNCS: Final = f"""
SELECT o.id, o.input->'request'->>'item_id', o.status, o.failure->>'code',
       o.finished_at IS NOT NULL, EXISTS (SELECT FROM bank_syncs s WHERE s.operation_id = o.id),
       o.created_at
FROM operations o WHERE o.kind = '{KIND}' AND o.customer_id = $1 ORDER BY o.id
"""
_TRANSACTIONS: Final = """
SELECT item_id, id, amount_minor, pending, entry_id FROM bank_transactions WHERE customer_id = $1
"""
UNSETTLED: Final = f"""
EXISTS (SELECT FROM operations o WHERE o.kind = '{KIND}' AND o.finished_at IS NULL
        AND split_part(o.customer_id, '-', 1) = ANY($1))
"""
