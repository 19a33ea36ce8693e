"""Which onboarding made somebody a customer, and when they are followed up, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A follow-up that is due some time."""

    customer_id: str
    operation_id: str
    at: datetime


async def onboarded(connection: Connection, customer_ids: Sequence[str]) -> frozenset[str]:
    """Return who of these is a customer, or is about to be."""
    rows = await connection.fetch(_ONBOARDED, customer_ids)
    return frozenset(row["customer_id"] for row in rows)


async def claim(connection: Connection, customer_id: str, operation_id: str) -> bool:
    """Have an onboarding be the one that makes somebody a customer; False: another one is."""
    return bool(await connection.fetchval(_CLAIM, customer_id, operation_id))


async def release(connection: Connection, customer_id: str, operation_id: str) -> bool:
    """Have an onboarding not make somebody a customer after all; False: it was not to."""
    return bool(await connection.fetchval(_RELEASE, customer_id, operation_id))


async def follow_up_at(
    connection: Connection, customer_id: str, operation_id: str, at: datetime
) -> None:
    """Owe a customer's follow-up."""
    await connection.execute(
        "UPDATE onboardings SET follow_up_at = $3 WHERE customer_id = $1 AND operation_id = $2",
        customer_id,
        operation_id,
        at,
    )


async def follow_ups_owed(pool: Pool, *, limit: int) -> list[FollowUp]:
    """Return those that have no workflow yet."""
    rows = await pool.fetch(_OWED, limit)
    return [FollowUp(row["customer_id"], row["operation_id"], row["follow_up_at"]) for row in rows]


async def is_owed(connection: Connection, follow_up: FollowUp) -> bool:
    """Whether a follow-up still has no workflow; then it is locked."""
    return bool(await connection.fetchval(_IS_OWED, follow_up.customer_id, follow_up.operation_id))


async def mark_follow_up_begun(connection: Connection, follow_up: FollowUp) -> None:
    """Keep that a follow-up has its workflow."""
    await connection.execute(
        "UPDATE onboardings SET follow_up_begun_at = now()"
        " WHERE customer_id = $1 AND operation_id = $2",
        follow_up.customer_id,
        follow_up.operation_id,
    )


# Who has closed their account may come back.
_STANDS: Final = """
    onboardings.released_at IS NULL AND (SELECT status FROM profiles
        WHERE profiles.customer_id = onboardings.customer_id) IS DISTINCT FROM 'closed'
"""

_ONBOARDED: Final = f"""
SELECT customer_id FROM onboardings WHERE customer_id = ANY($1) AND {_STANDS}
"""

_CLAIM: Final = f"""
INSERT INTO onboardings (customer_id, operation_id) VALUES ($1, $2)
ON CONFLICT (customer_id) DO UPDATE SET operation_id = $2, released_at = NULL,
    follow_up_at = NULL, follow_up_begun_at = NULL
WHERE NOT ({_STANDS})
RETURNING true
"""

_RELEASE: Final = """
UPDATE onboardings SET released_at = now() WHERE customer_id = $1 AND operation_id = $2
RETURNING true
"""

_IS_OWED: Final = """
SELECT true FROM onboardings WHERE customer_id = $1 AND operation_id = $2
    AND follow_up_at IS NOT NULL AND follow_up_begun_at IS NULL
    AND NOT EXISTS (SELECT FROM erased_customers WHERE customer_id = $1)
FOR UPDATE
"""

_OWED: Final = """
SELECT customer_id, operation_id, follow_up_at FROM onboardings
WHERE follow_up_at IS NOT NULL AND follow_up_begun_at IS NULL
    AND NOT EXISTS (SELECT FROM erased_customers e WHERE e.customer_id = onboardings.customer_id)
ORDER BY follow_up_at LIMIT $1
"""
