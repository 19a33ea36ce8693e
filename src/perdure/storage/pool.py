"""The process's one connection pool to PostgreSQL.

Hot statements are plain SQL on an asyncpg connection; statements put together at run time are
SQLAlchemy Core, compiled for the same connection by `storage.query`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import pydantic_core
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy
    """A connection, from the pool or by itself."""
    Pool: TypeAlias = asyncpg.Pool


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=_encode_json,
        decoder=pydantic_core.from_json,
        schema="pg_catalog",
    )


async def _keep_as_it_is(_connection: Any) -> None:
    """Save the round trip that resets a connection at its return to the pool.

    So settings are `SET LOCAL`, advisory locks are released by who took them, and nobody listens
    on a pooled connection (docs/adr/0003-database-driver.md).
    """


def _encode_json(value: object) -> str:
    return pydantic_core.to_json(value).decode()


_PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Statements are few, and written for an index each. So each is planned once a connection; and not
as a scan of a table that was small when it was planned (docs/adr/0010-hot-path.md)."""


@asynccontextmanager
async def open_pool(
    database_url: str, *, size: int, application_name: str = "perdure"
) -> AsyncIterator[Pool]:
    """Open a pool of at most `size` connections, and close it at the end.

    What ends by an error or a cancellation does not wait for statements that are under way.

    `jsonb` columns are read and written as Python values.

    Args:
        database_url: `postgresql://…`, as libpq takes it.
        size: The most connections held; a caller beyond that waits its turn.
        application_name: How the process calls itself in `pg_stat_activity`.
    """
    async with asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        init=_prepare,
        reset=_keep_as_it_is,
        command_timeout=30,
        max_inactive_connection_lifetime=60,
        server_settings={"application_name": application_name, "timezone": "UTC", **_PLANS},
    ) as pool:
        try:
            yield pool
        except BaseException:
            pool.terminate()
            raise


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection with an open transaction: committed at the end, rolled back on an error."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def whole_tables(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection for questions over whole tables, which may scan them."""
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = on; SET plan_cache_mode = auto")
        try:
            yield connection
        finally:
            if not connection.is_closed():
                for name, value in _PLANS.items():
                    await connection.execute(f"SET {name} = {value}")
