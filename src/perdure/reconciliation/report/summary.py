"""What a reconciliation came to, in numbers."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from perdure.reconciliation.matching.items import BreakClass
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of a run.

    Args:
        accounts: How many were compared.
        matched_lines, matched_entries: How many of each side found their counterparts in it.
        waiting: How many of our entries no statement covers yet.
        breaks: How many it found, of each class; those of earlier days that are still there too.
        new: How many of these it found first.
        seen: How many earlier ones were closed by themselves.
        left_out: Accounts with too much that is open to be compared, and the source of each.
    """

    operation_id: str
    day: date
    accounts: int
    matched_lines: int
    matched_entries: int
    waiting: int
    breaks: dict[str, int]
    new: int
    seen: int
    left_out: list[dict[str, str]] = field(default_factory=list)

    @property
    def breaks_in_all(self) -> int:
        """How many breaks there are."""
        return sum(self.breaks.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as an operation's result."""
        return {**asdict(self), "day": self.day.isoformat()}


_BATCHES: Final = """
SELECT coalesce(sum(accounts), 0)::bigint AS accounts,
       coalesce(sum(matched_lines), 0)::bigint AS matched_lines,
       coalesce(sum(matched_entries), 0)::bigint AS matched_entries,
       coalesce(sum(waiting), 0)::bigint AS waiting
FROM reconciliation_batches WHERE operation_id = $1
"""

_LEFT_OUT: Final = """
SELECT one FROM reconciliation_batches, jsonb_array_elements(left_out) AS one
WHERE operation_id = $1 AND left_out <> '[]' LIMIT 100
"""

_BREAKS: Final = """
SELECT break_class, count(*) AS count, count(*) FILTER (WHERE found_by = $1) AS new
FROM reconciliation_breaks WHERE seen_by = $1 GROUP BY break_class
"""

_SEEN: Final = "SELECT count(*) FROM reconciliation_breaks WHERE closed_by = $1"


async def summary_of(connection: Connection | Pool, operation_id: str, day: date) -> Summary:
    """Return what a run has come to so far."""
    batches = await connection.fetchrow(_BATCHES, operation_id)
    assert batches is not None
    rows = await connection.fetch(_BREAKS, operation_id)
    counts = {row["break_class"]: row["count"] for row in rows}
    return Summary(
        operation_id=operation_id,
        day=day,
        **dict(batches),
        breaks={one.value: counts[one.value] for one in BreakClass if one.value in counts},
        new=sum(row["new"] for row in rows),
        seen=await connection.fetchval(_SEEN, operation_id),
        left_out=[row["one"] for row in await connection.fetch(_LEFT_OUT, operation_id)],
    )
