"""Which operations a bulk is about: counted, shown, and written down by the database itself."""

import operator
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_optional_text
from perdure.operations import store
from perdure.operations.bulk import lists
from perdure.operations.bulk.model import (
    KIND,
    NOT_FOUND,
    NOT_SELECTABLE,
    UNCONFIRMED_MAX,
    Bulk,
    BulkPreview,
    BulkQuery,
    ListedIds,
    Selection,
)
from perdure.operations.bulk.store import get_locked, save_selected
from perdure.operations.model import FINISHED, Status
from perdure.operations.steps import check_may_begin
from perdure.operations.store import OPERATIONS, age_of, has_status
from perdure.storage.pool import SCANS_ALLOWED, Connection, Pool, transaction
from perdure.storage.query import fetch

BATCH: Final = 10_000
_SAMPLE: Final = 10
_STATEMENT_S: Final = 600.0
"""Longer than other statements: a query may have to look at every operation there is."""

ITEMS = sa.table(
    "bulk_items",
    sa.column("bulk_id", sa.Text),
    sa.column("number", sa.Integer),
    sa.column("operation_id", sa.Text),
)
_LISTED = sa.table(
    "bulk_list_ids", sa.column("list_id", sa.Text), sa.column("operation_id", sa.Text)
)
_CALLS = sa.table(
    "provider_calls", sa.column("operation_id", sa.Text), sa.column("provider", sa.Text)
)


def check_query(query: BulkQuery) -> BulkQuery:
    """Return a query with its customer as operations name it; refuse one that is none.

    Raises:
        InvalidInput: Names the field.
    """
    for name in ("kind", "failure_step", "failure_code", "provider"):
        if (value := getattr(query, name)) is not None:
            check_optional_text(name, value)
    if query.kind == KIND:
        raise InvalidInput("A bulk is not for bulks.", param="kind")
    for name in ("created", "updated"):
        after, before = getattr(query, f"{name}_after"), getattr(query, f"{name}_before")
        if after is not None and before is not None and after >= before:
            raise InvalidInput(f"{name}_after has to be before {name}_before.", param=name)
    if query.customer_id is None:
        return query
    return replace(query, customer_id=check_identifier("customer_id", query.customer_id))


def conditions(query: BulkQuery) -> list[sa.ColumnElement[bool]]:
    """Return what holds for every operation that a query is about."""
    columns = OPERATIONS.c
    found: list[sa.ColumnElement[bool]] = [columns.kind != KIND]
    if query.status is not None:
        found.append(has_status(query.status))
        if query.status not in FINISHED:
            # Tells the database that its index of what is open has them all.
            found.append(columns.finished_at.is_(None))
    found += [
        compare(column, value)
        for column, compare, value in (
            (columns.kind, operator.eq, query.kind),
            (columns.customer_id, operator.eq, query.customer_id),
            # As the index of what failed has them.
            (sa.literal_column("operations.failure->>'step'"), operator.eq, query.failure_step),
            (sa.literal_column("operations.failure->>'code'"), operator.eq, query.failure_code),
            (columns.created_at, operator.gt, query.created_after),
            (columns.created_at, operator.lt, query.created_before),
            (columns.updated_at, operator.gt, query.updated_after),
            (columns.updated_at, operator.lt, query.updated_before),
        )
        if value is not None
    ]
    if query.metadata:
        found.append(columns.metadata.contains(dict(query.metadata)))
        # Tells the database that its index of what has any has them all.
        found.append(sa.literal_column("operations.metadata <> '{}'::jsonb"))
    if query.provider is not None:
        calls = sa.select(_CALLS).where(
            _CALLS.c.operation_id == columns.id, _CALLS.c.provider == query.provider
        )
        found.append(calls.exists())
    return found


def _matching(selection: Selection) -> list[sa.ColumnElement[bool]]:
    if isinstance(selection, BulkQuery):
        return conditions(selection)
    if isinstance(selection, ListedIds):
        of_list = sa.select(_LISTED.c.operation_id).where(_LISTED.c.list_id == selection.list_id)
        return [OPERATIONS.c.id.in_(of_list), OPERATIONS.c.kind != KIND]
    listed = sa.bindparam("ids", list(selection), type_=sa.ARRAY(sa.Text))
    return [OPERATIONS.c.id == sa.func.any(listed), OPERATIONS.c.kind != KIND]


async def preview(connection: Connection, selection: Selection) -> BulkPreview:
    """Return what a selection matches now; in a transaction, as it may have to scan tables."""
    await _allow_scans(connection)
    columns, matching = OPERATIONS.c, _matching(selection)
    groups = await fetch(
        connection,
        sa.select(columns.kind, columns.status, sa.func.count().label("count"))
        .where(*matching)
        .group_by(columns.kind, columns.status),
        timeout_s=_STATEMENT_S,
    )
    # By itself, so that it is found as the count was: in the order of an index of all operations,
    # the first that matches may be the last there is. It is read no further than it is asked for.
    found_ids = sa.select(columns.id).where(*matching).cte("found").prefix_with("MATERIALIZED")
    sample = await fetch(
        connection,
        sa.select(OPERATIONS)
        .where(columns.id.in_(sa.select(found_ids.c.id).limit(_SAMPLE)))
        .order_by(age_of(columns.id)),
        timeout_s=_STATEMENT_S,
    )
    by_status: dict[str, int] = {}
    by_kind: dict[str, int] = {}
    for group in groups:
        by_status[group["status"]] = by_status.get(group["status"], 0) + group["count"]
        by_kind[group["kind"]] = by_kind.get(group["kind"], 0) + group["count"]
    found = sum(by_kind.values())
    counted = found if isinstance(selection, BulkQuery) else await count(connection, selection)
    is_everything = isinstance(selection, BulkQuery) and selection.is_everything
    return BulkPreview(
        count=counted,
        by_status=dict(sorted(by_status.items())),
        by_kind=dict(sorted(by_kind.items())),
        sample=[store.operation_of(row) for row in sample],
        unknown=counted - found,
        confirmation_needed=counted > UNCONFIRMED_MAX or is_everything,
    )


async def count(connection: Connection, selection: Selection) -> int:
    """Return how many items a selection makes, without the rest of a preview.

    Raises:
        NotFound, Conflict: As `lists.get_free`.
    """
    if isinstance(selection, ListedIds):
        return (await lists.get_free(connection, selection.list_id)).count
    if not isinstance(selection, BulkQuery):
        return len(selection)
    await _allow_scans(connection)
    statement = sa.select(sa.func.count()).select_from(OPERATIONS).where(*conditions(selection))
    rows = await fetch(connection, statement, timeout_s=_STATEMENT_S)
    counted: int = rows[0][0]
    return counted


async def select_items(pool: Pool, bulk_id: str, *, batch: int = BATCH) -> int:
    """Write down what a bulk is about, batch by batch; returns how many there are.

    Broken off, it goes on where it was. What is accepted after the bulk is not part of it, and
    never more are taken than were counted when it was asked for.

    Raises:
        OperationCancelled, OperationParked, Conflict: The bulk is not to go on.
    """
    while True:
        async with transaction(pool) as connection:
            bulk = await get_locked(connection, bulk_id)
            if bulk.selected_at is not None:
                return bulk.selected
            check_may_begin(bulk.operation, "select")
            taken, through = await _select_batch(connection, bulk, batch)
            selected = bulk.selected + taken
            is_complete = taken < batch or selected == bulk.counted
            await save_selected(
                connection, bulk_id, selected, through=through, is_complete=is_complete
            )
            if is_complete:
                await store.move(
                    connection,
                    bulk.operation,
                    Status.PROCESSING,
                    action="selected",
                    data={"selected": selected, "counted": bulk.counted},
                )


async def _select_batch(connection: Connection, bulk: Bulk, batch: int) -> tuple[int, str | None]:
    limit = min(batch, bulk.counted - bulk.selected)
    if bulk.undo_of is not None:
        return await _copy_done(connection, bulk, limit)
    if (list_id := bulk.request.list_id) is not None:
        moved = await lists.move(connection, list_id, bulk.id, after=bulk.selected, limit=limit)
        if bulk.selected + moved == bulk.counted:
            await _refuse_unknown(connection, bulk)
        return moved, None
    if bulk.request.query is None:
        await _refuse_unknown(connection, bulk)
        return bulk.counted, None
    await _allow_scans(connection)
    inserted = _insert(bulk, bulk.request.query, limit).cte("inserted")
    through = sa.func.max(age_of(inserted.c.operation_id))
    rows = await fetch(
        connection,
        sa.select(sa.func.count(), through).select_from(inserted),
        timeout_s=_STATEMENT_S,
    )
    return rows[0][0], rows[0][1]


def _insert(bulk: Bulk, query: BulkQuery, limit: int) -> Any:
    columns = OPERATIONS.c
    age = age_of(columns.id)
    next_ones = (
        sa.select(columns.id)
        .where(*conditions(query), columns.created_at <= bulk.operation.created_at)
        .order_by(age)
        .limit(limit)
    )
    if bulk.selected_through is not None:
        next_ones = next_ones.where(age > bulk.selected_through)
    found = next_ones.subquery()
    place = sa.func.row_number().over(order_by=age_of(found.c.id))
    numbered = sa.select(
        sa.literal(bulk.id, sa.Text), sa.literal(bulk.selected, sa.Integer) + place, found.c.id
    )
    return (
        sa.insert(ITEMS)
        .from_select(["bulk_id", "number", "operation_id"], numbered)
        .returning(ITEMS.c.operation_id)
    )


async def _copy_done(connection: Connection, bulk: Bulk, limit: int) -> tuple[int, str | None]:
    row = await connection.fetchrow(
        "WITH inserted AS (INSERT INTO bulk_items (bulk_id, number, operation_id)"
        " SELECT $1, number, operation_id FROM bulk_items WHERE bulk_id = $2 AND state = 'done'"
        " AND number > $3 ORDER BY number LIMIT $4 RETURNING number)"
        " SELECT count(*) AS count, max(number) AS number FROM inserted",
        bulk.id,
        bulk.undo_of,
        int(bulk.selected_through or 0),
        limit,
    )
    assert row is not None
    return row["count"], str(row["number"]) if row["count"] else bulk.selected_through


async def _refuse_unknown(connection: Connection, bulk: Bulk) -> None:
    """Give those of a list their outcome that there is no operation of, or that are bulks."""
    await connection.execute(
        "UPDATE bulk_items SET state = 'refused', at = now(), code = $2,"
        " message = 'There is no operation ' || operation_id || '.'"
        " WHERE bulk_id = $1 AND state = 'pending'"
        " AND NOT EXISTS (SELECT FROM operations WHERE id = operation_id)",
        bulk.id,
        NOT_FOUND,
        timeout=_STATEMENT_S,
    )
    await connection.execute(
        "UPDATE bulk_items SET state = 'refused', at = now(), code = $2,"
        " message = 'It is a bulk; stop it, or undo it.'"
        " WHERE bulk_id = $1 AND state = 'pending'"
        " AND EXISTS (SELECT FROM operations WHERE id = operation_id AND kind = $3)",
        bulk.id,
        NOT_SELECTABLE,
        KIND,
        timeout=_STATEMENT_S,
    )


async def _allow_scans(connection: Connection) -> None:
    """Have the transaction's statements planned for what they ask, scans of tables allowed."""
    await connection.execute(SCANS_ALLOWED)
