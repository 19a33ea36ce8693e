"""Many operations accepted in one commit."""

from collections.abc import Sequence
from typing import Final

from perdure.core.errors import PerdureError
from perdure.operations import store
from perdure.operations.model import NewOperation, Operation
from perdure.storage.pool import Connection

_INSERT: Final = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[],
        $7::smallint[], $9::timestamptz[])
    AS given (id, kind, customer_id, reference, input, metadata, lane, deadline_at)
), accepted AS (
    INSERT INTO operations (id, kind, status, customer_id, reference, input, metadata, lane,
        deadline_at)
    SELECT id, kind, 'pending', customer_id, reference, input, metadata, lane, deadline_at
    FROM given
    ON CONFLICT DO NOTHING
    RETURNING *
), trail AS (
    INSERT INTO operation_trail (operation_id, actor, action, status)
    SELECT id, $8, 'accepted', status FROM accepted
)
SELECT * FROM accepted
"""


async def accept_many(
    connection: Connection, new: Sequence[NewOperation], *, actor: str
) -> list[Operation | PerdureError]:
    """Store operations as `pending`, as `store.accept` does one; returns what became of each.

    Returns, in their order, the stored operation, or the `IdempotencyMismatch` that refused it. Of
    two with one reference, the first is the one that counts.
    """
    rows = await connection.fetch(
        _INSERT,
        [one.id for one in new],
        [one.kind for one in new],
        [one.customer_id for one in new],
        [one.reference for one in new],
        [one.input for one in new],
        [one.metadata for one in new],
        [one.lane for one in new],
        actor,
        [one.deadline_at for one in new],
    )
    stored = {row["id"]: store.operation_of(row) for row in rows}
    return [stored.get(one.id) or await _twin(connection, one, actor) for one in new]


async def _twin(connection: Connection, new: NewOperation, actor: str) -> Operation | PerdureError:
    try:
        return await store.accept(connection, new, actor=actor)
    except PerdureError as error:
        return error


async def known_references(
    connection: Connection, kind: str, references: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return which of these (customer, reference) an operation of this kind has already."""
    rows = await connection.fetch(
        # Looked up one by one in the index of references: a join would read all there are.
        "SELECT customer AS customer_id, name AS reference"
        " FROM unnest($2::text[], $3::text[]) AS asked (customer, name) WHERE EXISTS ("
        " SELECT FROM operations WHERE kind = $1 AND customer_id = customer AND reference = name)",
        kind,
        [customer_id for customer_id, _ in references],
        [reference for _, reference in references],
    )
    return {(row["customer_id"], row["reference"]) for row in rows}
