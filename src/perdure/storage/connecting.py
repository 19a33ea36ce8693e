"""Opens connections to the database, and says in one line why it refuses to be connected to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from perdure.core.errors import ConfigurationError
from perdure.storage.database_url import DatabaseUrl, not_a_database_url


async def connect(database_url: str, *, application_name: str) -> "asyncpg.Connection[Any]":
    """Open one connection, which keeps no statements: a pooler may be in between.

    Raises:
        ConfigurationError: It is no database for Perdure.
        OSError, asyncpg.PostgresError: It is away.
    """
    url = DatabaseUrl.parse(database_url)
    with refusals_explained():
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            url.url,
            statement_cache_size=0,
            server_settings={"application_name": application_name, **url.settings},
            **url.options,
        )
    try:
        check_encoding(connection)
    except ConfigurationError:
        connection.terminate()
        raise
    return connection


def check_encoding(connection: Any) -> None:
    """Refuse a database that cannot hold every text.

    Raises:
        ConfigurationError: Its encoding is not UTF8.
    """
    encoding = _reported(connection, "server_encoding")
    if encoding not in (None, "UTF8"):
        raise ConfigurationError(
            f"The database at DATABASE_URL has the encoding {encoding}, which cannot hold every"
            " text. Create one in UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
            param="DATABASE_URL",
        )


def takes_no_changes(connection: Any) -> bool:
    """Whether the server has said that it takes none, which it says as soon as it is so."""
    return "on" in (
        _reported(connection, "default_transaction_read_only"),
        _reported(connection, "in_hot_standby"),
    )


async def is_pooled(connection: Any) -> bool:
    """Whether a pooler stands before the server: it gives out process ids of its own.

    One that lends its connections for a transaction keeps nothing that is set for a session.
    """
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    return bool(pid != connection.get_server_pid())


def _reported(connection: Any, setting: str) -> str | None:
    value: str | None = getattr(connection.get_settings(), setting, None)
    return value


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Raise what connecting meets as `ConfigurationError`, unless waiting would help."""
    try:
        yield
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            raise
        raise explained from error


_ADVICE: Final[Mapping[type[Exception], str]] = {
    asyncpg.InvalidCatalogNameError: "Create it (CREATE DATABASE … ENCODING 'UTF8').",
    asyncpg.InvalidAuthorizationSpecificationError: "See its user and its password.",
    asyncpg.InsufficientPrivilegeError: "See what its user may do.",
    asyncpg.UndefinedObjectError: "See its parameters.",
    asyncpg.DataError: "See its parameters.",
    asyncpg.ClientConfigurationError: "See its parameters.",
}


def _explained(error: Exception) -> ConfigurationError | None:
    advice = next((told for cls, told in _ADVICE.items() if isinstance(error, cls)), None)
    if isinstance(error, asyncpg.ProtocolViolationError):
        # How PgBouncer says most things; what it says of itself may change in a moment.
        if "does not exist" in str(error) or "no such database" in str(error):
            advice = _ADVICE[asyncpg.InvalidCatalogNameError]
        elif "unsupported startup parameter" in str(error):
            advice = "A pooler lets no settings through: take them out, or set them for the role."
    if advice is None:
        return not_a_database_url() if isinstance(error, ValueError) else None
    told = str(error).partition("\n")[0].rstrip(".")
    return ConfigurationError(f"DATABASE_URL: {told}. {advice}", param="DATABASE_URL")
