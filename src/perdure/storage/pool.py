"""The process's one connection pool to PostgreSQL.

Hot statements are plain SQL on an asyncpg connection; statements put together at run time are
SQLAlchemy Core, compiled for the same connection by `storage.query`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import pydantic_core
import structlog
from asyncpg.pool import PoolConnectionProxy

from perdure.storage.connecting import connect, is_pooled, takes_no_changes
from perdure.storage.database_url import DatabaseUrl
from perdure.storage.outages import is_outage

log = structlog.get_logger()

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


def _encode_json(value: object) -> str:
    return pydantic_core.to_json(value).decode()


_PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Statements are few, and written for an index each. So each is planned once a connection; and not
as a scan of a table that was small when it was planned (docs/adr/0010-hot-path.md)."""

SCANS_ALLOWED: Final = (
    "SET LOCAL enable_seqscan = on; SET LOCAL plan_cache_mode = force_custom_plan"
)
"""Lets a transaction scan whole tables, where that is best for what it asks."""

TAKES_NO_CHANGES: Final = "SELECT current_setting('transaction_read_only')::boolean"
"""Tells whether the server takes none now, as a standby or by its settings."""

_RENEW_S: Final = 1.0
"""How often connections are renewed while the server takes no changes."""
_TELL_AGAIN_S: Final = 60.0
"""How long it has taken changes before it is told that it does not."""


class _Returned:
    """What is done with connections that are given back to the pool: nothing, as a rule.

    That saves the round trip that resets them. So settings are `SET LOCAL`, advisory locks are
    released by who took them, and nobody listens on a pooled connection
    (docs/adr/0003-database-driver.md).

    A server that has become read-only is left: all connections are made anew, and reach the one
    that takes changes as soon as there is one.
    """

    def __init__(self) -> None:
        self.pool: Pool | None = None
        self._renewed_at = float("-inf")

    async def __call__(self, connection: Any) -> None:
        if self.pool is None or not takes_no_changes(connection):
            return
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at > _RENEW_S:
            if now - self._renewed_at > _TELL_AGAIN_S:
                log.info("database_takes_no_changes")
            self._renewed_at = now
            await self.pool.expire_connections()


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

    Raises:
        ConfigurationError: It is no database for Perdure.
        OSError, asyncpg.PostgresError: It is away.
    """
    probe = await connect(database_url, application_name=application_name)
    try:
        pooled = await is_pooled(probe)
    finally:
        await probe.close()
    url, returned = DatabaseUrl.parse(database_url), _Returned()
    url.tell_what_is_left_out()
    settings = {"application_name": application_name, **url.settings, "timezone": "UTC"}
    # A pooler's connections are others' too: no statements are kept on them, so each is planned
    # with its values, and needs no settings for its plan (docs/adr/0019-database-outages.md).
    connecting: dict[str, Any] = (
        {"server_settings": settings, "statement_cache_size": 0}
        if pooled
        else {"server_settings": settings | _PLANS}
    )
    pool = await asyncpg.create_pool(
        url.url,
        min_size=1,
        max_size=size,
        init=_prepare,
        reset=returned,
        command_timeout=30,
        max_inactive_connection_lifetime=60,
        **connecting,
        **url.options,
    )
    # A pooler looks for the right server by itself, and does not pass on what is changed there.
    returned.pool = None if pooled else pool
    try:
        yield pool
    except BaseException:
        pool.terminate()
        raise
    await _close(pool)


async def _close(pool: Pool) -> None:
    try:
        await pool.close()
    except Exception as error:
        # A connection that its server has cut cannot be taken leave of; it is gone all the same.
        if not is_outage(error):
            raise


Deed = Callable[[], Awaitable[None]]

_deeds: dict[int, dict[object, Deed]] = {}
"""What is to be done after each open transaction, by its connection."""


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection with an open transaction: committed at the end, rolled back on an error."""
    deeds: dict[object, Deed] = {}
    async with pool.acquire() as connection:
        _deeds[id(connection)] = deeds
        try:
            async with connection.transaction():
                yield connection
        finally:
            del _deeds[id(connection)]
    for deed in deeds.values():
        try:
            await deed()
        except Exception as error:  # noqa: BLE001 - what was committed stands
            log.warning("left_for_later", error=f"{type(error).__name__}: {error}")


def after_commit(connection: Connection, key: object, deed: Deed) -> None:
    """Have something done once the transaction has committed, and before whoever held it goes on.

    It is lost where the process dies first, or the transaction is not one of `transaction`:
    somebody else has to find out later that it is due.

    Args:
        key: What is given again under the same one is done once.
    """
    deeds = _deeds.get(id(connection))
    if deeds is not None:
        deeds.setdefault(key, deed)


@asynccontextmanager
async def whole_tables(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection with an open transaction for questions over whole tables.

    It may scan them.
    """
    async with transaction(pool) as connection:
        await connection.execute(SCANS_ALLOWED)
        yield connection
