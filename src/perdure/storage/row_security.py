"""Customers' own rows: what a customer's key asks for is read as a role that sees no others.

The role and the customer are set for a transaction, so nothing of it stays on a connection that is
given back; an error in mid-transaction takes it back too. See docs/row-security.md.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, cast

import asyncpg
import structlog

from perdure.core.claim import current_customer, other_customer
from perdure.core.telemetry import telemetry
from perdure.storage.pool import Connection, Pool

log = structlog.get_logger()

# From left to right. The tables are found where the house's user finds them.
_CLAIM: Final = """
SELECT current_setting('role'),
    set_config('search_path',
        replace(current_setting('search_path'), '"$user"', quote_ident(current_user)), true),
    set_config('perdure.customer_id', $1, true),
    set_config('role', perdure_customer_role(), true)
"""
_MARK: Final = "\n/* for a customer */"
_GIVE_UP: Final = "SELECT set_config('role', $1, true), set_config('perdure.customer_id', '', true)"
CLAIMED: Final = "_claimed"
"""How the name of a constraint ends that takes a row in nobody's name but its own customer's: for
tables that rows of many customers are written to in one statement."""


class _Apart:
    """A connection whose statements are customers' alone, by a comment: the house's stay planned.

    One that is prepared is planned for a role, and anew whenever that is another.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, query: str, *given: object, **options: Any) -> list[asyncpg.Record]:
        return await self._connection.fetch(query + _MARK, *given, **options)

    async def fetchrow(self, query: str, *given: object, **options: Any) -> Any:
        return await self._connection.fetchrow(query + _MARK, *given, **options)

    async def fetchval(self, query: str, *given: object, **options: Any) -> Any:
        return await self._connection.fetchval(query + _MARK, *given, **options)


def _apart(connection: Connection) -> Connection:
    return cast("Connection", _Apart(connection))


@asynccontextmanager
async def seen(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection that sees what whoever asks may see.

    That is everything, unless a customer's key asks: then the database shows that one's rows alone,
    and takes no changes.
    """
    customer_id = current_customer()
    async with pool.acquire() as connection:
        if customer_id is None:
            yield connection
            return
        async with connection.transaction(readonly=True):
            await connection.fetchrow(_CLAIM, customer_id)
            yield _apart(connection)


@asynccontextmanager
async def in_own_name(connection: Connection) -> AsyncIterator[Connection]:
    """Have what is written inside be written in the name of whoever asks; yields the connection.

    For a customer's key, the database refuses what would not be that one's own.

    Args:
        connection: With an open transaction.

    Raises:
        Forbidden: `other_customer`: the database refused it.
    """
    customer_id = current_customer()
    if customer_id is None:
        yield connection
        return
    with refusals_told():
        before = await connection.fetchval(_CLAIM, customer_id)
        try:
            yield _apart(connection)
        except BaseException:
            # Where the error was the database's, it has given all of it up, and takes no more.
            with suppress(Exception):
                await connection.execute(_GIVE_UP, before)
            raise
        await connection.execute(_GIVE_UP, before)


@contextmanager
def refusals_told() -> Iterator[None]:
    """Raise as `Forbidden` that the database took something for another customer's.

    Whoever let the request through until there should not have, so it is reported as a defect.

    Raises:
        Forbidden: `other_customer`.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        if not _is_refusal(error):
            raise
        log.error("row_refused", error=repr(error))
        telemetry().report(error, "row_security")
        raise other_customer() from error


def _is_refusal(error: asyncpg.PostgresError) -> bool:
    of_policy = isinstance(error, asyncpg.InsufficientPrivilegeError)
    constraint = getattr(error, "constraint_name", None) or ""
    return (of_policy and "row-level security" in str(error)) or constraint.endswith(CLAIMED)
