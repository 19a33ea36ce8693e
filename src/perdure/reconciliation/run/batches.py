"""A batch of accounts compared, in one commit: matched, their breaks opened, changed and closed."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import asyncpg

from perdure.operations import store as operations
from perdure.operations.steps import check_may_begin
from perdure.reconciliation.breaks import store as breaks
from perdure.reconciliation.breaks.model import Break
from perdure.reconciliation.contracts import Batch, BatchEnd, Stretch, StretchEnd
from perdure.reconciliation.matching.comparing import compare
from perdure.reconciliation.matching.items import Compared, Finding, Item, Match, Rule, Terms
from perdure.reconciliation.run.locks import lock_accounts
from perdure.storage.pool import Connection, Pool, transaction

ITEMS_MAX: Final = 20_000
"""What is open on one account and source beyond that is left out, and told of."""

Place = tuple[str, str]
"""An account, and a source."""


@dataclass(slots=True)
class _Sides:
    ours: list[Item] = field(default_factory=list)
    theirs: list[Item] = field(default_factory=list)


async def cut(pool: Pool, after: str, *, batch: int, batches: int) -> list[str]:
    """Return the last account of each of the next batches of accounts that are active."""
    rows = await pool.fetch(_CUT, after, batch, batch * batches)
    return [row["id"] for row in rows]


# An account that is closed has nothing to compare, unless its statement says something of it.
_CUT: Final = """
SELECT id FROM (
    SELECT id, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS count FROM (
        (SELECT id FROM ledger_accounts WHERE id > $1 AND status <> 'closed' ORDER BY id LIMIT $3)
        UNION
        (SELECT DISTINCT account_id FROM (
            SELECT account_id FROM statement_lines WHERE match_id IS NULL AND account_id > $1
            ORDER BY account_id LIMIT $3) AS open)
        ORDER BY id LIMIT $3
    ) AS accounts
) AS numbered
WHERE number % $2 = 0 OR number = count
ORDER BY id
"""


async def compare_stretch(pool: Pool, given: Stretch, over: asyncio.Event) -> StretchEnd:
    """Compare batch after batch, with the pause between, until all are or the stretch is over.

    Raises:
        OperationCancelled, OperationParked, Conflict: The run is not to go on.
    """
    found: list[BatchEnd] = []
    after = given.after
    for through in given.ends:
        if found and await _is_over_within(over, given.pause_s):
            break
        batch = Batch(given.operation_id, given.day, given.cutoff, after, through)
        found.append(await compare_batch(pool, batch))
        after = through
    return StretchEnd(
        len(found), sum(one.accounts for one in found), sum(one.breaks for one in found)
    )


async def _is_over_within(over: asyncio.Event, pause_s: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), pause_s)
    return over.is_set()


async def compare_batch(pool: Pool, given: Batch) -> BatchEnd:
    """Compare the accounts of a batch; one that was compared before is told as it was then.

    Raises:
        OperationCancelled, OperationParked, Conflict: The run is not to go on.
    """
    async with transaction(pool) as connection:
        check_may_begin(await operations.get(connection, given.operation_id), "compare")
        accounts = await lock_accounts(connection, given.after, given.through)
        done = await connection.fetchrow(
            "SELECT accounts, breaks FROM reconciliation_batches"
            " WHERE operation_id = $1 AND after = $2",
            given.operation_id,
            given.after,
        )
        if done is not None:
            return BatchEnd(done["accounts"], done["breaks"])
        return await _Comparison(connection, given).run(accounts)


class _Comparison:
    """One batch as it is compared."""

    def __init__(self, connection: Connection, given: Batch) -> None:
        self._connection = connection
        self._given = given
        self._day = date.fromisoformat(given.day)
        self._range = given.after, given.through
        self._lines = 0
        self._entries = 0
        self._waiting = 0

    async def run(self, accounts: int) -> BatchEnd:
        """Compare, and keep what came of it."""
        given = self._given
        exact = await self._connection.fetchrow(_EXACT, *self._range, self._day, given.cutoff)
        assert exact is not None
        self._lines, self._entries = exact["lines"], exact["entries"]
        left_out = await self._too_many()
        sides = await self._sides(left_out)
        terms = await self._terms({source for _, source in sides})
        found: dict[Place, Compared] = {}
        for place, both in sides.items():
            source = place[1]
            found[place] = compare(both.ours, both.theirs, terms[source])
        await self._match(found)
        known = await breaks.of_accounts(self._connection, *self._range)
        count = await self._settle_breaks(found, sides, known, left_out)
        await self._connection.execute(
            "INSERT INTO reconciliation_batches (operation_id, after, accounts, matched_lines,"
            " matched_entries, breaks, waiting, left_out) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            given.operation_id,
            given.after,
            accounts,
            self._lines,
            self._entries,
            count,
            self._waiting,
            [{"account_id": account, "source": source} for account, source in sorted(left_out)],
        )
        return BatchEnd(accounts, count)

    async def _too_many(self) -> set[Place]:
        rows = await self._connection.fetch(
            _TOO_MANY, *self._range, self._day, self._given.cutoff, ITEMS_MAX
        )
        return {(row["account_id"], row["source"]) for row in rows}

    async def _sides(self, left_out: set[Place]) -> dict[Place, _Sides]:
        given, skipped = self._given, [account for account, _ in left_out]
        sides: dict[Place, _Sides] = defaultdict(_Sides)
        for row in await self._connection.fetch(_ENTRIES, *self._range, given.cutoff, skipped):
            sides[row["account_id"], row["source"]].ours.append(_item(row))
        for row in await self._connection.fetch(
            _LINES, *self._range, self._day, given.cutoff, skipped
        ):
            sides[row["account_id"], row["source"]].theirs.append(_item(row))
        return sides

    async def _terms(self, sources: Iterable[str]) -> Mapping[str, Terms]:
        rows = await self._connection.fetch(_TERMS, list(sources))
        return {row["source"]: self._terms_of(row) for row in rows}

    def _terms_of(self, row: asyncpg.Record) -> Terms:
        if row["timing_days"] is None:
            # A provider's own books are of now, and name what they are about.
            return Terms(self._day, None, by_amount=False)
        covered = row["covered_to"] or self._day - timedelta(days=36_500)
        return Terms(min(covered, self._day), row["timing_days"], row["tolerance_minor"])

    async def _match(self, found: Mapping[Place, Compared]) -> None:
        for (account_id, source), compared in found.items():
            self._waiting += compared.waiting
            for match in compared.matches:
                await match_items(
                    self._connection,
                    account_id,
                    source,
                    match,
                    on=self._day,
                )
                self._lines += len(match.theirs)
                self._entries += len(match.ours)

    async def _settle_breaks(
        self,
        found: Mapping[Place, Compared],
        sides: Mapping[Place, _Sides],
        known: Sequence[Break],
        left_out: set[Place],
    ) -> int:
        """Open what is new, change what has changed, and close what is gone; counts what is."""
        by_item: dict[tuple[str, str, str, str], list[Break]] = defaultdict(list)
        for one in known:
            for side, key in one.keys:
                by_item[one.account_id, one.source, side, key].append(one)
        seen: set[str] = set()
        new: list[tuple[Place, Finding, str | None]] = []
        changed: list[tuple[Break, Finding]] = []
        for place, compared in found.items():
            for finding in compared.findings:
                of_it = {
                    one.id: one
                    for side, keys in (("e", finding.ours), ("l", finding.theirs))
                    for key in keys
                    for one in by_item.get((*place, side, key), ())
                }
                before = sorted(of_it.values(), key=lambda one: one.id)
                is_open = [one for one in before if one.is_open and one.id not in seen]
                if is_open:
                    seen.add(is_open[0].id)
                    changed.append((is_open[0], finding))
                elif not any(one.excuses(self._day) for one in before):
                    new.append((place, finding, before[-1].id if before else None))
        items = {
            (*place, prefix, item.key): item
            for place, both in sides.items()
            for prefix, side in (("e", both.ours), ("l", both.theirs))
            for item in side
        }
        by = breaks.By(self._given.operation_id, self._day)
        await breaks.open_new(self._connection, by, new, items)
        await breaks.see_again(self._connection, by, changed, items)
        gone = [
            one
            for one in known
            if one.is_open and one.id not in seen and (one.account_id, one.source) not in left_out
        ]
        await breaks.close_seen(self._connection, by, gone)
        return len(new) + len(changed)


def _item(row: asyncpg.Record) -> Item:
    return Item(
        str(row["key"]),
        row["amount_minor"],
        row["currency"],
        row["booked_on"],
        frozenset(row["refs"]),
        row["is_repeated"],
    )


async def match_items(
    connection: Connection, account_id: str, source: str, match: Match, *, on: date
) -> int:
    """Keep that items belong together; they are open, and locked with their account.

    Returns:
        The match's id.
    """
    line_ids = [int(key) for key in match.theirs]
    # A match is known by its first line; one that has none, by a number that no line has.
    match_id: int = (
        min(line_ids)
        if line_ids
        else -(await connection.fetchval("SELECT nextval('reconciliation_matches')"))
    )
    done = await connection.execute(
        "UPDATE statement_lines SET match_id = $2, matched_by = $3, matched_on = $4"
        " WHERE id = ANY($1) AND match_id IS NULL",
        line_ids,
        match_id,
        match.rule.value,
        on,
    )
    assert int(done.rpartition(" ")[2]) == len(line_ids), "a line is matched once"
    moved = await connection.fetch(
        _MOVE_ENTRIES, account_id, source, list(match.ours), match_id, match.rule.value, on
    )
    assert len(moved) == len(match.ours), "an entry is matched once"
    return match_id


_MOVE_ENTRIES: Final = """
WITH gone AS (
    DELETE FROM open_entries
    WHERE account_id = $1 AND source = $2 AND transfer_id = ANY($3) RETURNING *
)
INSERT INTO reconciled_entries (transfer_id, source, match_id, matched_by, matched_on)
SELECT transfer_id, source, $4, $5, $6 FROM gone RETURNING transfer_id
"""

# What names one entry alone, of the same amount, and is named by no other line.
_EXACT: Final = f"""
WITH line AS MATERIALIZED (
    SELECT id, account_id, source, amount_minor, currency, booked_on, refs FROM statement_lines
    WHERE match_id IS NULL AND account_id > $1 AND account_id <= $2 AND booked_on <= $3
), entry AS MATERIALIZED (
    SELECT account_id, source, transfer_id, amount_minor, currency,
           (booked_at AT TIME ZONE 'UTC')::date AS booked_on, refs
    FROM open_entries WHERE account_id > $1 AND account_id <= $2 AND booked_at < $4
), pair AS (
    SELECT DISTINCT l.id, e.account_id, e.source, e.transfer_id
    FROM (SELECT line.*, unnest(refs) AS ref FROM line) AS l
    JOIN (SELECT entry.*, unnest(refs) AS ref FROM entry) AS e USING (account_id, source, ref)
    LEFT JOIN statement_accounts s ON s.source = e.source
    WHERE l.amount_minor = e.amount_minor AND l.currency = e.currency
        AND (s.source IS NULL OR abs(l.booked_on - e.booked_on) <= s.timing_days)
), single AS (
    SELECT id, account_id, source, transfer_id FROM (
        SELECT pair.*, count(*) OVER (PARTITION BY id) AS entries,
               count(*) OVER (PARTITION BY account_id, source, transfer_id) AS lines
        FROM pair
    ) AS counted WHERE entries = 1 AND lines = 1
), matched AS (
    UPDATE statement_lines l SET match_id = l.id, matched_by = '{Rule.REFERENCE}', matched_on = $3
    FROM single WHERE l.id = single.id RETURNING l.id
), gone AS (
    DELETE FROM open_entries e USING single
    WHERE e.account_id = single.account_id AND e.source = single.source
        AND e.transfer_id = single.transfer_id
    RETURNING e.transfer_id, e.source, single.id
), kept AS (
    INSERT INTO reconciled_entries (transfer_id, source, match_id, matched_by, matched_on)
    SELECT transfer_id, source, id, '{Rule.REFERENCE}', $3 FROM gone RETURNING 1
)
SELECT (SELECT count(*) FROM matched)::int AS lines, (SELECT count(*) FROM kept)::int AS entries
"""

_TOO_MANY: Final = """
SELECT account_id, source FROM (
    SELECT account_id, source FROM statement_lines
    WHERE match_id IS NULL AND account_id > $1 AND account_id <= $2 AND booked_on <= $3
    UNION ALL
    SELECT account_id, source FROM open_entries
    WHERE account_id > $1 AND account_id <= $2 AND booked_at < $4
) AS items GROUP BY account_id, source HAVING count(*) > $5
"""

_ENTRIES: Final = """
SELECT e.account_id, e.source, e.transfer_id AS key, e.amount_minor, e.currency,
       (e.booked_at AT TIME ZONE 'UTC')::date AS booked_on, e.refs,
       EXISTS (SELECT FROM ledger_transfers own
           JOIN ledger_transfers t ON t.operation_id = own.operation_id AND t.id <> own.id
               AND t.amount_minor = own.amount_minor
               AND t.debit_account_id = own.debit_account_id
               AND t.credit_account_id = own.credit_account_id
           JOIN reconciled_entries r ON r.transfer_id = t.id AND r.source = e.source
           WHERE own.id = e.transfer_id) AS is_repeated
FROM open_entries e
WHERE e.account_id > $1 AND e.account_id <= $2 AND e.booked_at < $3 AND NOT e.account_id = ANY($4)
ORDER BY e.account_id, e.source, e.transfer_id
"""

# A line of what is under way is looked at once that has ended.
_LINES: Final = """
SELECT l.account_id, l.source, l.id AS key, l.amount_minor, l.currency, l.booked_on, l.refs,
       EXISTS (SELECT FROM ledger_transfers t
           JOIN reconciled_entries r ON r.transfer_id = t.id AND r.source = l.source
           JOIN statement_lines m ON m.id = r.match_id AND m.amount_minor = l.amount_minor
           WHERE t.operation_id = ANY(l.refs))
       OR EXISTS (SELECT FROM statement_lines m WHERE m.source = l.source
           AND m.their_id = l.their_id AND m.id <> l.id AND m.match_id IS NOT NULL
           AND m.amount_minor = l.amount_minor) AS is_repeated
FROM statement_lines l
WHERE l.match_id IS NULL AND l.account_id > $1 AND l.account_id <= $2 AND l.booked_on <= $3
    AND NOT l.account_id = ANY($5)
    AND NOT EXISTS (SELECT FROM operations o WHERE o.id = ANY(l.refs)
        AND (o.finished_at IS NULL OR o.finished_at >= $4))
ORDER BY l.account_id, l.source, l.id
"""

_TERMS: Final = """
SELECT asked.source, s.timing_days, s.tolerance_minor,
       (SELECT max(to_on) FROM statements WHERE statements.source = asked.source) AS covered_to
FROM unnest($1::text[]) AS asked (source) LEFT JOIN statement_accounts s USING (source)
"""
