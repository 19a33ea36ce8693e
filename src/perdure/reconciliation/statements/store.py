"""Statements and their lines, as they are looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a row of `statements` says of itself."""

    id: str
    source: str
    account_id: str
    currency: str
    format: str
    their_id: str | None
    sequence: int | None
    opening_minor: int | None
    closing_minor: int | None
    from_on: date
    to_on: date
    lines: int
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStatement(Statement):
    """A statement, with who loaded it."""

    loaded_by: str
    loaded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLine:
    """A line of a statement.

    Args:
        matched_by: By which rule, or whose hand, it was matched; None: it is open.
    """

    id: int
    line: int
    booked_on: date
    value_on: date | None
    amount_minor: int
    currency: str
    references: list[str]
    their_id: str | None
    description: str
    match_id: int | None
    matched_by: str | None
    matched_on: date | None


_SHOWN: Final = (
    "id, source, account_id, currency, format, their_id, sequence, opening_minor, closing_minor,"
    " from_on, to_on, lines, file_name, loaded_by, loaded_at"
)
_LATEST_ID: Final = "~"
"""Behind every id."""


async def find(
    connection: Connection | Pool, *, source: str | None, starting_after: str | None, limit: int
) -> Sequence[LoadedStatement]:
    """Return statements, the last loaded first, at most `limit` beyond one."""
    after = starting_after or _LATEST_ID
    rows = (
        await connection.fetch(
            f"SELECT {_SHOWN} FROM statements WHERE id < $1 ORDER BY id DESC LIMIT $2",
            after,
            limit,
        )
        if source is None
        else await connection.fetch(
            f"SELECT {_SHOWN} FROM statements WHERE source = $3 AND id < $1"
            " ORDER BY id DESC LIMIT $2",
            after,
            limit,
            source,
        )
    )
    return [LoadedStatement(**dict(row)) for row in rows]


async def get(connection: Connection | Pool, statement_id: str) -> LoadedStatement | None:
    """Return a statement; None: there is none."""
    row = await connection.fetchrow(f"SELECT {_SHOWN} FROM statements WHERE id = $1", statement_id)
    return LoadedStatement(**dict(row)) if row else None


async def lines(
    connection: Connection | Pool, statement_id: str, *, after_id: int, limit: int
) -> Sequence[LoadedLine]:
    """Return a statement's lines in their order, at most `limit` beyond one."""
    rows = await connection.fetch(
        'SELECT id, line, booked_on, value_on, amount_minor, currency, refs AS "references",'
        " their_id, description, match_id, matched_by, matched_on FROM statement_lines"
        " WHERE statement_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        statement_id,
        after_id,
        limit,
    )
    return [LoadedLine(**dict(row)) for row in rows]
