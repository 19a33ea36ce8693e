"""The list of breaks, put together at run time of what is asked for."""

from collections.abc import Sequence

import sqlalchemy as sa

from perdure.reconciliation.matching.items import BreakClass
from perdure.storage.pool import Connection, Pool
from perdure.storage.query import fetch

_BREAKS = sa.table(
    "reconciliation_breaks",
    sa.column("id", sa.Text),
    sa.column("account_id", sa.Text),
    sa.column("source", sa.Text),
    sa.column("break_class", sa.Text),
    sa.column("seen_by", sa.Text),
    sa.column("ended_on", sa.Date),
)


async def find(
    connection: Connection | Pool,
    *,
    account_id: str | None = None,
    source: str | None = None,
    break_class: BreakClass | None = None,
    seen_by: str | None = None,
    is_open: bool | None = None,
    starting_after: str | None = None,
    limit: int,
) -> Sequence[str]:
    """Return the ids of breaks, newest first, at most `limit` beyond one."""
    columns = _BREAKS.c
    statement = sa.select(columns.id).order_by(columns.id.desc()).limit(limit)
    for column, value in (
        (columns.account_id, account_id),
        (columns.source, source),
        (columns.break_class, break_class and break_class.value),
        (columns.seen_by, seen_by),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if is_open is not None:
        statement = statement.where(
            columns.ended_on.is_(None) if is_open else columns.ended_on.is_not(None)
        )
    if starting_after is not None:
        statement = statement.where(columns.id < starting_after)
    return [row["id"] for row in await fetch(connection, statement)]
