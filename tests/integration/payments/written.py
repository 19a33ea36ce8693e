"""What the database says of an operation, to be compared with another one."""

import re
from typing import Final

from perdure.storage.pool import Pool
from tests.polls import eventually

_ID: Final = re.compile(r"\b([a-z]+)_[0-9a-z]{26}\b")

_QUERIES: Final = {
    "operations": "SELECT id, status, result, failure, cancel_request FROM operations WHERE id",
    "trail": "SELECT actor, action, status, reason, data FROM operation_trail WHERE operation_id",
    "steps": "SELECT step, attempt, outcome, error, provider_reference FROM operation_steps"
    " WHERE operation_id",
    "effects": "SELECT step, result FROM effects WHERE operation_id",
    "calls": "SELECT step, provider, reference, state, calls, answer FROM provider_calls"
    " WHERE operation_id",
    "ledger": "SELECT amount_minor, currency, kind, code FROM ledger_transfers WHERE operation_id",
    "messages": "SELECT audience, channel, recipient, subject, body, state FROM notifications"
    " WHERE operation_id",
}


async def all_written(pool: Pool, operation_id: str, *, steps: int) -> dict[str, list[str]]:
    """Return the same of an operation that has ended, once the rest is there too.

    A message is told after the end, its own step's row after its state.

    Args:
        steps: How many rows of steps it has in the end.
    """

    async def everything() -> dict[str, list[str]] | None:
        found = await written(pool, operation_id)
        is_told = all("'sent'" in message for message in found["messages"])
        return found if len(found["steps"]) == steps and is_told else None

    return await eventually(everything, pause_s=0.05)


async def written(pool: Pool, payment_id: str) -> dict[str, list[str]]:
    """Return everything the database says of a payment, whatever its ids are."""
    found = {}
    for name, query in _QUERIES.items():
        rows = await pool.fetch(f"{query} = $1", payment_id)
        found[name] = sorted(_ID.sub(r"\1", repr(dict(row))) for row in rows)
    return found
