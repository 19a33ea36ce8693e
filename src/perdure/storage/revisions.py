"""Which revisions of the schema there are, and which of them a database has."""

from functools import cache
from pathlib import Path
from typing import Final

import asyncpg

from perdure.core.errors import ConfigurationError
from perdure.storage.pool import Connection, Pool

_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


@cache
def revisions() -> tuple[str, ...]:
    """Return this release's, oldest first: each is called as its file is."""
    return tuple(sorted(found.stem for found in _VERSIONS.glob("[0-9]*.py")))


async def missing_revisions(connection: Connection | Pool) -> list[str]:
    """Return those that this release has and the database has not, oldest first.

    Raises:
        ConfigurationError: The database is from a newer release.
    """
    try:
        current = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        current = None
    known = revisions()
    if current is None:
        return list(known)
    if current not in known:
        raise ConfigurationError(
            f"The database is from a newer release: it is at {current}, and this one knows it up"
            f" to {known[-1]}. Run that release, or a later one.",
            param="DATABASE_URL",
        )
    return list(known[known.index(current) + 1 :])
