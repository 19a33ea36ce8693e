"""Since when a master key wraps, as far as anybody looked."""

from datetime import datetime
from typing import Final

from perdure.storage.pool import Pool


async def wraps_since(pool: Pool, master: str) -> datetime:
    """Return when a master key was first seen to be the one that wraps: now, if it is new."""
    since: datetime = await pool.fetchval(_SINCE, f"payload_key:{master}")
    return since


_SINCE: Final = """
INSERT INTO janitor_marks (name, mark) VALUES ($1, now())
ON CONFLICT (name) DO UPDATE SET mark = janitor_marks.mark
RETURNING mark
"""
