"""Breaks in PostgreSQL: a row each, beside the row of its operation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import asyncpg

from perdure.core.errors import NotFound
from perdure.core.ids import new_id
from perdure.operations import store as operations
from perdure.operations.model import HOUSE, Failure, Status
from perdure.operations.steps import to_json
from perdure.reconciliation.breaks.model import SEEN, Break
from perdure.reconciliation.breaks.texts import told
from perdure.reconciliation.contracts import (
    BREAK_ID_PREFIX,
    BREAK_KIND,
    BreakInput,
    BreakRequest,
)
from perdure.reconciliation.matching.items import BreakClass, Finding, Item, Proposal
from perdure.storage.pool import Connection, Pool

Items = Mapping[tuple[str, str, str, str], Item]
"""What is compared, by account, source, side and key."""


@dataclass(frozen=True, slots=True)
class By:
    """The reconciliation that finds something, and the day it compares."""

    operation_id: str
    day: date


async def of_accounts(connection: Connection, after: str, through: str) -> list[Break]:
    """Return the breaks of accounts that are open, or whose items are waited for."""
    rows = await connection.fetch(
        "SELECT * FROM reconciliation_breaks WHERE account_id > $1 AND account_id <= $2"
        " AND (ended_on IS NULL OR excused_until IS NOT NULL) ORDER BY id",
        after,
        through,
    )
    return [break_of(row) for row in rows]


async def get(connection: Connection | Pool, break_id: str) -> Break:
    """Return a break.

    Raises:
        NotFound: `reconciliation_break_not_found`.
    """
    row = await connection.fetchrow("SELECT * FROM reconciliation_breaks WHERE id = $1", break_id)
    if row is None:
        raise NotFound(f"There is no break {break_id}.", code=f"{BREAK_KIND}_not_found", param="id")
    return break_of(row)


def break_of(row: asyncpg.Record) -> Break:
    """Return a row of `reconciliation_breaks`."""
    values = dict(row)
    proposals = [
        Proposal(tuple(one["ours"]), tuple(one["theirs"])) for one in values.pop("proposals")
    ]
    break_class = BreakClass(values.pop("break_class"))
    return Break(break_class=break_class, proposals=proposals, **values)


async def open_new(
    connection: Connection,
    by: By,
    new: Sequence[tuple[tuple[str, str], Finding, str | None]],
    items: Items,
) -> None:
    """Open breaks: each an operation that needs attention, and that no engine has heard of."""
    if not new:
        return
    opened = [(new_id(BREAK_ID_PREFIX), place, finding, follows) for place, finding, follows in new]
    told_of = [_told(place, finding, items) for _, place, finding, _ in opened]
    failures = [
        asdict(Failure(finding.break_class.value, message))
        for (_, _, finding, _), message in zip(opened, told_of, strict=True)
    ]
    await connection.execute(
        _OPEN,
        BREAK_KIND,
        HOUSE,
        [break_id for break_id, _, _, _ in opened],
        [
            to_json(
                BreakInput(
                    break_id,
                    BreakRequest(
                        source,
                        account_id,
                        by.day.isoformat(),
                        by.operation_id,
                        follows=follows,
                    ),
                )
            )
            for break_id, (account_id, source), _, follows in opened
        ],
        failures,
        operations.SYSTEM,
    )
    await connection.executemany(
        "INSERT INTO reconciliation_breaks (id, source, account_id, break_class, amount_minor,"
        " currency, line_ids, transfer_ids, proposals, told, found_on, found_by, seen_on,"
        " seen_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $12)",
        [
            (
                break_id,
                source,
                account_id,
                *_values(finding),
                message,
                by.day,
                by.operation_id,
            )
            for (break_id, (account_id, source), finding, _), message in zip(
                opened, told_of, strict=True
            )
        ],
    )


# It was "started", so that nothing starts it: who resolves it does.
_OPEN: Final = """
WITH opened AS (
    INSERT INTO operations (id, kind, status, customer_id, input, failure, metadata,
        workflow_started_at)
    SELECT id, $1, 'needs_attention', $2, input, failure, '{}', now()
    FROM unnest($3::text[], $4::jsonb[], $5::jsonb[]) AS new (id, input, failure)
    RETURNING id, status, failure
)
INSERT INTO operation_trail (operation_id, actor, action, status, reason)
SELECT id, $6, 'found', status, failure->>'message' FROM opened
"""


def _values(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.break_class.value,
        finding.amount_minor,
        finding.currency,
        [int(key) for key in finding.theirs],
        list(finding.ours),
        [asdict(proposal) for proposal in finding.proposals],
    )


def _told(place: tuple[str, str], finding: Finding, items: Items) -> str:
    return told(
        place[1],
        finding,
        [items[*place, "e", key] for key in finding.ours],
        [items[*place, "l", key] for key in finding.theirs],
    )


async def see_again(
    connection: Connection, by: By, seen: Sequence[tuple[Break, Finding]], items: Items
) -> None:
    """Keep that breaks were found again; one that is another sort of break by now says so."""
    same = [one.id for one, finding in seen if not _has_changed(one, finding)]
    if same:
        await connection.execute(
            "UPDATE reconciliation_breaks SET seen_on = $2, seen_by = $3 WHERE id = ANY($1)",
            same,
            by.day,
            by.operation_id,
        )
    for one, finding in seen:
        if not _has_changed(one, finding):
            continue
        message = _told((one.account_id, one.source), finding, items)
        await connection.execute(
            "UPDATE reconciliation_breaks SET break_class = $2, amount_minor = $3, currency = $4,"
            " line_ids = $5, transfer_ids = $6, proposals = $7, told = $8, seen_on = $9,"
            " seen_by = $10 WHERE id = $1",
            one.id,
            *_values(finding),
            message,
            by.day,
            by.operation_id,
        )
        await connection.execute(
            _RETELL,
            one.id,
            asdict(Failure(finding.break_class.value, message)),
            operations.SYSTEM,
        )


# What a person has begun with it stays as it is; and it broke down no more than it did before.
_RETELL: Final = """
WITH retold AS (
    UPDATE operations SET failure = $2, updated_at = now()
    WHERE id = $1 AND status = 'needs_attention' AND original_request IS NULL
    RETURNING id, status
)
INSERT INTO operation_trail (operation_id, actor, action, status, reason)
SELECT id, $3, 'changed', status, $2::jsonb->>'message' FROM retold
"""


def _has_changed(one: Break, finding: Finding) -> bool:
    return _values(finding) != (
        one.break_class.value,
        one.amount_minor,
        one.currency,
        list(one.line_ids),
        list(one.transfer_ids),
        [asdict(proposal) for proposal in one.proposals],
    )


async def close_seen(connection: Connection, by: By, gone: Sequence[Break]) -> None:
    """Close breaks that are none any more: what they were about was matched since.

    One that a person has begun to resolve is that person's.
    """
    for one in gone:
        operation = await operations.lock(connection, one.id)
        if operation.is_finished or operation.original_request is not None:
            continue
        where = await connection.fetchval(_WHERE_SEEN, one.transfer_ids, one.line_ids, one.source)
        reason = f"Seen in {where}." if where else "What it was about is not open any more."
        await end(connection, one.id, by.day, SEEN, closed_by=by.operation_id)
        await operations.move(
            connection,
            operation,
            Status.SUCCEEDED,
            action="seen",
            reason=reason,
            result={"resolution": SEEN, "seen_in": where, "seen_by": by.operation_id},
        )


_WHERE_SEEN: Final = """
SELECT string_agg(DISTINCT CASE WHEN s.id IS NULL THEN 'the books of ' || l.source
    ELSE 'statement ' || coalesce(s.their_id, s.file_name) || ' (' || s.id || ')' END, ', ')
FROM statement_lines l LEFT JOIN statements s ON s.id = l.statement_id
WHERE l.match_id IN (
    SELECT match_id FROM reconciled_entries WHERE transfer_id = ANY($1) AND source = $3
    UNION ALL
    SELECT match_id FROM statement_lines WHERE id = ANY($2) AND match_id IS NOT NULL
)
"""


async def end(
    connection: Connection,
    break_id: str,
    on: date,
    resolution: str,
    *,
    excused_until: date | None = None,
    closed_by: str | None = None,
) -> None:
    """Keep how a break has ended."""
    await connection.execute(
        "UPDATE reconciliation_breaks SET ended_on = $2, resolution = $3, excused_until = $4,"
        " closed_by = $5 WHERE id = $1",
        break_id,
        on,
        resolution,
        excused_until,
        closed_by,
    )
