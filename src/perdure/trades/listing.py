"""Lists of trades: two customers are in each, and either finds it as its own."""

from typing import Final

import sqlalchemy as sa

from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.operations.model import Operation, Status
from perdure.operations.store import OPERATIONS, age_of, has_status, operation_of
from perdure.storage.pool import Connection
from perdure.storage.query import fetch
from perdure.trades.contracts import KIND

_SIDES: Final = ("buyer", "seller")
_OF_KIND: Final = OPERATIONS.c.kind == sa.literal_column(f"'{KIND}'")
"""In the statement, not beside it, as in the indexes that are of this kind alone."""


async def find(
    connection: Connection,
    *,
    customer_id: str | None = None,
    account_id: str | None = None,
    asset: str | None = None,
    status: Status | None = None,
    starting_after: str | None = None,
    limit: int = 10,
) -> list[Operation]:
    """Return trades, newest first, at most `limit` of them beyond the cursor.

    Args:
        customer_id: Only those in which this one buys or sells.
        account_id: Only those that pay from it, or to it; of the customer's own side, if both
            are given.
    """
    age = age_of(OPERATIONS.c.id)
    people = {"customer_id": customer_id, "account_id": account_id}
    wanted = {name: value for name, value in people.items() if value is not None}
    of_all = not wanted and asset is None
    statement = sa.select(OPERATIONS).order_by(age.desc()).limit(limit)
    statement = statement.where(OPERATIONS.c.kind == KIND if of_all else _OF_KIND)
    if asset is not None:
        statement = statement.where(_said("asset") == asset)
    if status is not None:
        statement = statement.where(has_status(status))
    if starting_after is not None:
        statement = statement.where(age < starting_after[-ID_SUFFIX_LENGTH:])
    if not wanted:
        return [operation_of(row) for row in await fetch(connection, statement)]
    found: dict[str, Operation] = {}
    for side in _SIDES:  # each has an index; who is on both sides finds a trade once
        of_side = statement.where(
            *(_said(f"{side}_{name}") == value for name, value in wanted.items())
        )
        found |= {row["id"]: operation_of(row) for row in await fetch(connection, of_side)}
    return [found[one] for one in sorted(found, key=_age, reverse=True)][:limit]


def _said(name: str) -> sa.ColumnElement[str]:
    """Return a field of the request, as the indexes have it."""
    return sa.literal_column(f"(input #>> '{{request,{name}}}')", sa.Text)


def _age(operation_id: str) -> str:
    return operation_id[-ID_SUFFIX_LENGTH:]
