"""How all operations stand: what has not ended, and what went wrong lately, in groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from perdure.core.clock import utc_now
from perdure.operations.model import Status
from perdure.operations.searching import OPEN, look
from perdure.operations.store import OPERATIONS
from perdure.storage.pool import Pool

_STATEMENT_S: Final = 10.0
_GROUPS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """The operations of a kind that stand at one status, and have not ended.

    Args:
        oldest_at: When that last changed which has stood so for longest.
    """

    kind: str
    status: Status
    count: int
    oldest_at: datetime


async def standings(pool: Pool) -> list[Standing]:
    """Return what has not ended, by kind and status."""
    columns = OPERATIONS.c
    rows = await look(
        pool,
        sa.select(
            columns.kind,
            columns.status,
            sa.func.count().label("count"),
            sa.func.min(columns.updated_at).label("oldest_at"),
        )
        .where(columns.status.in_(OPEN), columns.finished_at.is_(None))
        .group_by(columns.kind, columns.status)
        .order_by(columns.kind, columns.status),
        _STATEMENT_S,
    )
    return [Standing(**dict(row) | {"status": Status(row["status"])}) for row in rows]


@dataclass(slots=True)
class FailureGroup:
    """Operations that went wrong in one way.

    Args:
        amounts_minor: What they are about, by currency, as far as their requests say it.
    """

    kind: str
    status: Status
    code: str
    step: str | None
    count: int
    first_at: datetime
    last_at: datetime
    amounts_minor: dict[str, int] = field(default_factory=dict)


async def grouped_failures(
    pool: Pool, lately: timedelta, amount_fields: Mapping[str, str]
) -> list[FailureGroup]:
    """Return what carries a failure and changed lately, by kind, status, code and step, most first.

    Args:
        amount_fields: The field of a kind's request with what one moves, by the kind's name.
    """
    columns = OPERATIONS.c
    code: sa.ColumnElement[str] = sa.literal_column("operations.failure->>'code'")
    step: sa.ColumnElement[str] = sa.literal_column("operations.failure->>'step'")
    currency = sa.func.coalesce(columns.input["request"]["currency"].astext, "")
    groups = (columns.kind, columns.status, code, step, currency)
    rows = await look(
        pool,
        sa.select(
            columns.kind,
            columns.status,
            code.label("code"),
            step.label("step"),
            currency.label("currency"),
            sa.func.count().label("count"),
            sa.func.min(columns.updated_at).label("first_at"),
            sa.func.max(columns.updated_at).label("last_at"),
            sa.func.coalesce(sa.func.sum(_amount(amount_fields)), 0).label("amount_minor"),
        )
        .where(columns.failure.isnot(None), columns.updated_at > utc_now() - lately)
        .group_by(*groups)
        .order_by(sa.func.count().desc())
        .limit(_GROUPS_MAX),
        _STATEMENT_S,
    )
    found: dict[tuple[Any, ...], FailureGroup] = {}
    for row in rows:
        values = dict(row)
        in_currency, amount_minor = values.pop("currency"), int(values.pop("amount_minor"))
        key = (row["kind"], row["status"], row["code"], row["step"])
        group = found.get(key)
        if group is None:
            group = found[key] = FailureGroup(**values | {"status": Status(row["status"])})
        else:
            group.count += row["count"]
            group.first_at = min(group.first_at, row["first_at"])
            group.last_at = max(group.last_at, row["last_at"])
        if amount_minor:
            group.amounts_minor[in_currency] = amount_minor
    return sorted(found.values(), key=lambda group: -group.count)


def _amount(fields: Mapping[str, str]) -> sa.ColumnElement[Any]:
    columns = OPERATIONS.c
    asked = {kind: columns.input["request"][name] for kind, name in fields.items()}
    found = [
        (
            sa.and_(columns.kind == kind, sa.func.jsonb_typeof(amount) == "number"),
            sa.cast(amount, sa.Numeric),
        )
        for kind, amount in asked.items()
    ]
    return sa.case(*found) if found else sa.null()
