"""Brings a database's schema to this version's, with Alembic."""

from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from perdure.storage.connecting import connect
from perdure.storage.declared import Declared
from perdure.storage.indexes import build_indexes
from perdure.storage.revisions import missing_revisions
from perdure.storage.row_policies import protect

_MIGRATION_LOCK: Final = 7_265_311
"""Advisory lock held while migrating, so that two processes starting at once take turns."""


async def migrate(database_url: str, declared: Declared) -> list[str]:
    """Run every migration that is missing, and build what is declared.

    Harmless when there is nothing to do, or when two run at once.

    Returns those that were missing.

    Raises:
        ConfigurationError: It is no database for Perdure, or from a newer release; or its user may
            not make the role that customers' requests take.
    """
    connection = await connect(database_url, application_name="perdure-migrate")
    try:
        missing = await missing_revisions(connection)
        await _run_migrations(database_url)
        await build_indexes(connection, database_url, declared.indexes)
        await protect(connection, declared.rows)
    finally:
        await connection.close()
    return missing


async def _run_migrations(database_url: str) -> None:
    engine = _engine(database_url)
    try:
        async with engine.connect() as migrating:
            await migrating.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await migrating.run_sync(_upgrade)
            await migrating.commit()
    except DBAPIError as error:
        # What the database says, instead of how SQLAlchemy tells it.
        driver_error = getattr(error.orig, "__cause__", None)
        raise driver_error or error from error
    finally:
        await engine.dispose()


def _engine(database_url: str) -> AsyncEngine:
    def creator() -> Any:
        # Statements without a name, and none kept: behind a pooler, others' have the same names.
        dbapi: Any = engine.sync_engine.dialect.dbapi
        return dbapi.connect(
            async_creator_fn=lambda: connect(database_url, application_name="perdure-migrate"),
            prepared_statement_cache_size=0,
            prepared_statement_name_func=str,
        )

    engine = create_async_engine("postgresql+asyncpg://", creator=creator, poolclass=NullPool)
    return engine


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "perdure.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
