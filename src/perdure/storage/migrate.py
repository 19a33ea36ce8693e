"""Brings a database's schema to this version's, with Alembic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

_MIGRATION_LOCK: Final = 7_265_311
"""Advisory lock held while migrating, so that two processes starting at once take turns."""


async def migrate(database_url: str) -> None:
    """Run every migration that is missing; harmless when there is none, or when two run at once."""
    async with _connect(database_url) as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        await connection.run_sync(_upgrade)
        await connection.commit()


async def missing_migrations(database_url: str) -> list[str]:
    """Return the revisions this version has and the database has not, oldest first."""
    async with _connect(database_url) as connection:
        return await connection.run_sync(_missing)


@asynccontextmanager
async def _connect(database_url: str) -> AsyncIterator[AsyncConnection]:
    # asyncpg is given the URL itself, so that what works for the pool works here.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(database_url),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "perdure.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


def _missing(connection: Connection) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(_config(connection))
    return [found.revision for found in script.iterate_revisions("head", current or "base")][::-1]
