"""Compares what the old system has ended with what Perdure would have done, and keeps the outcome.

Nothing of it has an effect outside, or on the operation.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from perdure.capabilities import attribute
from perdure.legacy.ending import ACTOR
from perdure.legacy.shadow import Comparison, Course, Difference, Ended, compare
from perdure.legacy.trail import DONE, FAILED_AT, SAID, TRY
from perdure.legacy.ways import legacy_ways
from perdure.operations import store
from perdure.operations.model import Operation
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

_AT_ONCE: Final = 200

Plan = Callable[[Ended], Awaitable[Course]]


@dataclass(frozen=True, slots=True)
class Compared:
    """How many of a kind were compared, with the same outcome.

    Args:
        difference: None: they are equal.
    """

    kind: str
    difference: Difference | None
    count: int


@dataclass(frozen=True, slots=True)
class Differing:
    """One that differs."""

    operation_id: str
    kind: str
    difference: Difference
    compared_at: datetime
    parts: Mapping[str, Any]


async def compare_ended(pool: Pool) -> int:
    """Compare what the old system has ended since the last look; returns how many there were."""
    plans = {name: attribute(way.plan) for name, way in legacy_ways().items() if way.plan}
    async with transaction(pool) as connection:
        rows = await connection.fetch(
            "SELECT operation_id, done FROM legacy_operations"
            " WHERE kind = ANY($1) AND state = 'ended' AND compared_at IS NULL"
            " LIMIT $2 FOR UPDATE SKIP LOCKED",
            list(plans),
            _AT_ONCE,
        )
        found = await _found(connection, {row["operation_id"]: row["done"] for row in rows})
        compared = {
            ended.operation.id: await _compare(plans[ended.operation.kind], ended, course)
            for ended, course in found
        }
        await _keep(connection, compared)
    return len(compared)


async def _compare(plan: Plan, ended: Ended, found: Course) -> Comparison:
    try:
        return compare(await plan(ended), found, ended)
    except Exception as error:  # noqa: BLE001 - it is what the report is to show
        log.warning("legacy_not_rehearsed", operation_id=ended.operation.id, error=repr(error))
        return Comparison(Difference.PLAN, {"error": repr(error)})


async def _keep(connection: Connection, compared: Mapping[str, Comparison]) -> None:
    await connection.execute(
        "UPDATE legacy_operations SET compared_at = now(), difference = given.difference,"
        " differing = given.differing"
        " FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS given (id, difference, differing)"
        " WHERE operation_id = given.id",
        list(compared),
        [one.difference for one in compared.values()],
        [one.parts for one in compared.values()],
    )


async def _found(connection: Connection, done: Mapping[str, Any]) -> list[tuple[Ended, Course]]:
    """Return what the old system did, given what came of each internal status, by the ids."""
    ids = list(done)
    operations = await connection.fetch("SELECT * FROM operations WHERE id = ANY($1)", ids)
    trails = await connection.fetch(
        "SELECT operation_id, action, data FROM operation_trail"
        " WHERE operation_id = ANY($1) AND actor = $2 AND data IS NOT NULL ORDER BY id",
        ids,
        ACTOR,
    )
    entries = await connection.fetch(
        "SELECT operation_id, id, kind, debit_account_id AS debit, credit_account_id AS credit,"
        " amount_minor, currency, code, pending_id FROM ledger_transfers"
        " WHERE operation_id = ANY($1)",
        ids,
    )
    messages = await connection.fetch(
        "SELECT operation_id, audience, channel, recipient, subject, body FROM notifications"
        " WHERE operation_id = ANY($1)",
        ids,
    )
    of_each = [_grouped(rows) for rows in (trails, entries, messages)]
    return [
        _as_it_went(one, done[one.id], *(found[one.id] for found in of_each))
        for one in map(store.operation_of, operations)
    ]


def _as_it_went(
    operation: Operation,
    done: Mapping[str, Any],
    trail: Sequence[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
) -> tuple[Ended, Course]:
    calls = [row for row in trail if row["data"].get(SAID) is not None]
    ended = Ended(
        operation,
        done,
        failed_at=next((row["data"][FAILED_AT] for row in trail if FAILED_AT in row["data"]), None),
        tries=max((row["data"].get(TRY, 1) for row in trail), default=1),
    )
    course = Course(
        calls=[row["action"].removesuffix(DONE) for row in calls],
        asked=[row["data"][SAID] for row in calls],
        money={row["id"]: _without(row, "id", "operation_id") for row in entries},
        messages=sorted([*_without(row, "operation_id").values()] for row in messages),
        end={
            "status": operation.status.value,
            "failure": operation.failure and operation.failure.code,
            "result": operation.result,
        },
    )
    return ended, course


def _grouped(rows: Iterable[Any]) -> Mapping[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["operation_id"]].append(row)
    return found


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


async def compared_since(pool: Pool, since: datetime) -> list[Compared]:
    """Return how many were compared since then, by kind and outcome."""
    rows = await pool.fetch(
        "SELECT kind, difference, count(*) AS count FROM legacy_operations"
        " WHERE compared_at >= $1 GROUP BY kind, difference ORDER BY kind, difference NULLS FIRST",
        since,
    )
    return [
        Compared(row["kind"], row["difference"] and Difference(row["difference"]), row["count"])
        for row in rows
    ]


async def differing_since(pool: Pool, since: datetime, *, limit: int) -> list[Differing]:
    """Return those that differ, compared since then, the newest first."""
    rows = await pool.fetch(
        "SELECT operation_id, kind, difference, compared_at, differing FROM legacy_operations"
        " WHERE compared_at >= $1 AND difference IS NOT NULL ORDER BY compared_at DESC LIMIT $2",
        since,
        limit,
    )
    return [
        Differing(
            row["operation_id"],
            row["kind"],
            Difference(row["difference"]),
            row["compared_at"],
            row["differing"],
        )
        for row in rows
    ]
