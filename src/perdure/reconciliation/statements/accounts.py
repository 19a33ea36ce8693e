"""Which of our accounts a statement is about, and how its bank writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import asyncpg

from perdure.core.errors import InvalidInput, NotFound
from perdure.core.money import AMOUNT_MINOR_MAX
from perdure.core.text import check_text
from perdure.operations.steps import from_json, to_json
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.reconciliation.statements.text_lines import ENCODINGS
from perdure.storage.pool import Connection, Pool

TIMING_DAYS_MAX: Final = 30

ENTRIES_MARK: Final = "reconciled_to"
"""Up to when our entries were given out to be compared: a row of `janitor_marks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAccount:
    """An account outside, and ours that it has to agree with.

    Args:
        source: As statements name it: an IBAN, or the bank's own number.
        since: The first day that is compared.
        encoding: Of files that do not say it themselves.
        columns: How its CSV is written; None: it has none.
        timing_days: How far apart the two sides may be.
        tolerance_minor: How far apart two amounts may be.
    """

    source: str
    account_id: str
    currency: str
    since: date
    encoding: str = "utf-8"
    columns: CsvColumns | None = None
    timing_days: int = 2
    tolerance_minor: int = 0
    updated_by: str = ""
    updated_at: datetime | None = None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidInput: Names the field.
        """
        check_text("source", self.source)
        if self.encoding not in ENCODINGS:
            raise InvalidInput(f"Use one of {', '.join(ENCODINGS)}.", param="encoding")
        if not 0 <= self.timing_days <= TIMING_DAYS_MAX:
            raise InvalidInput(f"Give 0 to {TIMING_DAYS_MAX} days.", param="timing_days")
        if not 0 <= self.tolerance_minor <= AMOUNT_MINOR_MAX:
            raise InvalidInput("Give an amount in minor units.", param="tolerance_minor")
        if self.columns is not None:
            self.columns.check()


async def put(connection: Connection, account: StatementAccount, *, actor: str) -> StatementAccount:
    """Keep an account's terms; those it had before are replaced.

    Raises:
        InvalidInput: Names the field.
        NotFound: `account_not_found`: there is no such account of ours.
    """
    account.check()
    ours = await connection.fetchrow(
        "SELECT currency FROM ledger_accounts WHERE id = $1", account.account_id
    )
    if ours is None:
        raise NotFound(
            f"There is no account {account.account_id}.",
            code="account_not_found",
            param="account_id",
        )
    if ours["currency"] != account.currency:
        raise InvalidInput(
            f"Account {account.account_id} is in {ours['currency']}.",
            code="currency_mismatch",
            param="currency",
        )
    other = await connection.fetchval(
        "SELECT source FROM statement_accounts WHERE account_id = $1 AND source <> $2",
        account.account_id,
        account.source,
    )
    if other is not None:
        raise InvalidInput(
            f"{account.account_id} has the statements of {other} already; one account of ours"
            " agrees with one outside.",
            param="account_id",
        )
    row = await connection.fetchrow(
        _PUT,
        account.source,
        account.account_id,
        account.currency,
        account.since,
        account.encoding,
        to_json(account.columns) if account.columns else None,
        account.timing_days,
        account.tolerance_minor,
        actor,
    )
    # What was posted since then is given out once more; what is there already is left.
    await connection.execute(
        "UPDATE janitor_marks SET mark = least(mark, $2::date::timestamp AT TIME ZONE 'UTC')"
        " WHERE name = $1",
        ENTRIES_MARK,
        account.since,
    )
    assert row is not None
    return _of(row)


_PUT: Final = """
INSERT INTO statement_accounts (source, account_id, currency, since, encoding, columns, timing_days,
    tolerance_minor, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (source) DO UPDATE SET account_id = excluded.account_id, since = excluded.since,
    currency = excluded.currency, encoding = excluded.encoding, columns = excluded.columns,
    timing_days = excluded.timing_days, tolerance_minor = excluded.tolerance_minor,
    updated_by = excluded.updated_by, updated_at = now()
RETURNING *
"""


async def find(connection: Connection | Pool, source: str) -> StatementAccount | None:
    """Return an account's terms; None: there are none."""
    row = await connection.fetchrow("SELECT * FROM statement_accounts WHERE source = $1", source)
    return _of(row) if row else None


async def lock(connection: Connection, source: str) -> StatementAccount | None:
    """Return an account's terms, and keep other files of it out until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM statement_accounts WHERE source = $1 FOR UPDATE", source
    )
    return _of(row) if row else None


async def page(
    connection: Connection | Pool, *, starting_after: str | None, limit: int
) -> Sequence[StatementAccount]:
    """Return accounts by their names, at most `limit` beyond one."""
    rows = await connection.fetch(
        "SELECT * FROM statement_accounts WHERE source > $1 ORDER BY source LIMIT $2",
        starting_after or "",
        limit,
    )
    return [_of(row) for row in rows]


def _of(row: asyncpg.Record) -> StatementAccount:
    values = dict(row)
    columns = values.pop("columns")
    return StatementAccount(columns=from_json(CsvColumns, columns) if columns else None, **values)
