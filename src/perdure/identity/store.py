"""Who was checked, and how that stands: one row a customer, in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.core.check_states import CheckState
from perdure.identity.contracts import SeenCheck
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Identity:
    """A row of `identities`.

    Args:
        operation_id: The operation that had the customer checked.
        again: How often that was done again, after approvals that ended.
    """

    customer_id: str
    operation_id: str
    state: CheckState
    again: int
    approved_until: datetime | None


async def keep(connection: Connection, given: SeenCheck) -> bool:
    """Keep how a customer's check stands; False: it is known already."""
    check, seen = given.check, given.seen
    return bool(
        await connection.fetchval(
            _KEEP,
            check.customer_id,
            check.operation_id,
            check.again,
            check.reference,
            seen.check_id,
            seen.status,
            given.asked,
            seen.approved_until,
        )
    )


async def find(connection: Connection | Pool, customer_id: str) -> Identity | None:
    """Return how a customer's identity stands; None: nobody had it checked."""
    row = await connection.fetchrow(
        "SELECT customer_id, operation_id, state, again, approved_until FROM identities"
        " WHERE customer_id = $1",
        customer_id,
    )
    return Identity(**dict(row) | {"state": CheckState(row["state"])}) if row else None


async def lapsing(pool: Pool, *, limit: int) -> list[Identity]:
    """Return whose approvals end, and have no workflow yet that checks again then."""
    rows = await pool.fetch(_LAPSING, limit)
    return [Identity(**dict(row) | {"state": CheckState(row["state"])}) for row in rows]


async def is_lapsing(connection: Connection, identity: Identity) -> bool:
    """Whether an approval that ends still has no workflow; then it is locked."""
    found = identity.customer_id, identity.operation_id, identity.again
    return bool(await connection.fetchval(_IS_LAPSING, *found))


async def mark_recheck_started(connection: Connection, identity: Identity) -> None:
    """Keep that a workflow checks again when an approval ends."""
    await connection.execute(_STARTED, identity.customer_id, identity.operation_id, identity.again)


# A check of an earlier operation tells nothing of a customer who is checked anew.
_KEEP: Final = """
INSERT INTO identities AS known (customer_id, operation_id, again, reference, check_id, state,
    asked, approved_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (customer_id) DO UPDATE SET operation_id = $2, again = $3, reference = $4,
    check_id = $5, state = $6, asked = $7, approved_until = $8, updated_at = now(),
    recheck_started_at = CASE
        WHEN (known.operation_id, known.again) = ($2, $3) THEN known.recheck_started_at END
WHERE (known.reference, known.state, known.asked) <> ($4, $6, $7)
RETURNING true
"""

_IS_LAPSING: Final = """
SELECT true FROM identities WHERE customer_id = $1 AND operation_id = $2 AND again = $3
    AND state = 'approved' AND approved_until IS NOT NULL AND recheck_started_at IS NULL
    AND NOT EXISTS (SELECT FROM erased_customers WHERE customer_id = $1)
FOR UPDATE
"""

_LAPSING: Final = """
SELECT customer_id, operation_id, state, again, approved_until FROM identities
WHERE state = 'approved' AND approved_until IS NOT NULL AND recheck_started_at IS NULL
    AND NOT EXISTS (SELECT FROM erased_customers e WHERE e.customer_id = identities.customer_id)
ORDER BY approved_until LIMIT $1
"""

_STARTED: Final = """
UPDATE identities SET recheck_started_at = now()
WHERE customer_id = $1 AND operation_id = $2 AND again = $3
"""
