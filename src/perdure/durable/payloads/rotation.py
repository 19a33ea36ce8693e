"""Giving up a master key: what it wraps is wrapped with another."""

from typing import Final

from perdure.durable.payloads.ring import KeyRing, Wrapped
from perdure.storage.pool import Pool, transaction

_BATCH: Final = 500


async def masters_in_use(pool: Pool) -> list[str]:
    """Return the ids of the master keys that wrap something, in their order."""
    found: list[str] = []
    last: str | None = ""
    # One by one, as the index has them: there are few, and they wrap many.
    while last is not None:
        last = await pool.fetchval(
            "SELECT master FROM payload_keys WHERE wrapped IS NOT NULL AND master > $1"
            " ORDER BY master LIMIT 1",
            last,
        )
        found += [last] if last is not None else []
    return found


async def rewrap(pool: Pool, ring: KeyRing) -> int:
    """Wrap all keys with the first of the masters; returns how many were wrapped with another.

    Ended on its way, it is run again. What is encrypted with the keys does not change.

    Raises:
        PayloadUnreadable: A master key that wraps some is not here, or is another one.
    """
    count = 0
    for master in await masters_in_use(pool):
        while master != ring.current and (done := await _rewrap_some(pool, ring, master)):
            count += done
    return count


async def _rewrap_some(pool: Pool, ring: KeyRing, master: str) -> int:
    async with transaction(pool) as connection:
        rows = await connection.fetch(
            "SELECT id, wrapped FROM payload_keys WHERE master = $1 AND wrapped IS NOT NULL"
            " LIMIT $2 FOR UPDATE",
            master,
            _BATCH,
        )
        anew = [ring.rewrap(row["id"], Wrapped(master, row["wrapped"])) for row in rows]
        await connection.executemany(
            "UPDATE payload_keys SET master = $2, wrapped = $3 WHERE id = $1",
            [(row["id"], one.master, one.secret) for row, one in zip(rows, anew, strict=True)],
        )
    return len(rows)
