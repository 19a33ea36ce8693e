"""Brings a database to this release, with what the kinds that are installed have in it."""

from perdure.capabilities import installed
from perdure.storage import migrate as storage
from perdure.storage.declared import Declared


def declared() -> Declared:
    """Return what the kinds have in the database beside the migrations.

    Raises:
        ConfigurationError: As `installed`.
    """
    kinds = installed().values()
    return Declared(
        indexes={name: on for kind in kinds for name, on in kind.indexes.items()},
        rows={kind.name: kind.customers_rows for kind in kinds if kind.customers_rows},
    )


async def migrate(database_url: str) -> list[str]:
    """Run every migration that is missing, and build what the kinds declare.

    Harmless when there is nothing to do, or when two run at once.

    Returns the migrations that were missing.

    Raises:
        ConfigurationError: It is no database for Perdure, or from a newer release; or as
            `installed`.
    """
    return await storage.migrate(database_url, declared())
