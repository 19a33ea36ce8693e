"""A process's ledger at TigerBeetle: its session there, told of in our database."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID, uuid4

import structlog

from perdure.core.errors import ConfigurationError
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.store_tigerbeetle import TigerBeetleLedger
from perdure.ledger.tigerbeetle_books import TigerBeetleBalances
from perdure.ledger.tigerbeetle_client import TigerBeetle, open_tigerbeetle
from perdure.ledger.tigerbeetle_ids import Numbers
from perdure.storage.pool import Pool

log = structlog.get_logger()

SEEN_S: Final = 20.0
"""How often a process tells that it has a session; one that was silent for three times as long has
ended."""

_BIND: Final = """
INSERT INTO ledger_tigerbeetle (cluster_id, namespace)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM ledger_accounts)
ON CONFLICT DO NOTHING
"""

_BOUND: Final = "SELECT cluster_id, namespace FROM ledger_tigerbeetle WHERE NOT is_moving"

_SEEN: Final = """
INSERT INTO ledger_tigerbeetle_sessions (id, process) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""

_ENDED: Final = f"""
DELETE FROM ledger_tigerbeetle_sessions
WHERE id = $1 OR seen_at < now() - {10 * SEEN_S:g} * interval '1 second'
"""

SESSIONS: Final = f"""
SELECT count(*) FROM ledger_tigerbeetle_sessions
WHERE seen_at > now() - {3 * SEEN_S:g} * interval '1 second'
"""


@asynccontextmanager
async def open_tigerbeetle_ledger(
    pool: Pool, cluster_id: int, addresses: str, *, process: str
) -> AsyncIterator[OpenedLedger]:
    """Open the ledger, and this process's session.

    Raises:
        ConfigurationError: This database's balances are elsewhere, or the addresses are wrong.
    """
    async with open_tigerbeetle(cluster_id, addresses) as tigerbeetle:
        ledger = await ledger_at(pool, tigerbeetle)
        session = uuid4()
        told_by = asyncio.create_task(_tell(pool, tigerbeetle, session, process))
        try:
            yield OpenedLedger(
                ledger,
                TigerBeetleBalances(tigerbeetle, ledger.numbers, ledger.owed),
                [ledger.owed.carry_out_overdue, ledger.owed.give_back_abandoned],
            )
        finally:
            told_by.cancel()
            try:
                await pool.execute(_ENDED, session)
            except Exception as error:  # noqa: BLE001 - the database is away; it is forgotten later
                log.info("ledger_session_not_ended", error=repr(error))


async def ledger_at(pool: Pool, tigerbeetle: TigerBeetle) -> TigerBeetleLedger:
    """Return this database's ledger at a cluster.

    Raises:
        ConfigurationError: Its balances are elsewhere.
    """
    numbers = Numbers(await _bound(pool, tigerbeetle.cluster_id))
    return TigerBeetleLedger(pool, tigerbeetle, numbers)


async def _bound(pool: Pool, cluster_id: int) -> int:
    """Have a database that is empty say that its balances are there; returns its namespace.

    Raises:
        ConfigurationError: Its balances are elsewhere.
    """
    await pool.execute(_BIND, str(cluster_id), secrets.randbits(63) | 1)
    row = await pool.fetchrow(_BOUND)
    if row is None:
        raise ConfigurationError(
            "This database's balances are in PostgreSQL. Move them: perdure ledger export --to"
            " tigerbeetle.",
            param="PERDURE_LEDGER",
        )
    if (bound_to := row["cluster_id"]) != str(cluster_id):
        raise ConfigurationError(
            f"This database's balances are at TigerBeetle's cluster {bound_to}, not {cluster_id}.",
            param="TIGERBEETLE_CLUSTER_ID",
        )
    namespace: int = row["namespace"]
    return namespace


async def _tell(pool: Pool, tigerbeetle: TigerBeetle, session: UUID, process: str) -> None:
    """Tell that the session is there, here and at the cluster, which ends the most idle one."""
    told = f"{process} {socket.gethostname()} {os.getpid()}"
    while True:
        try:
            await pool.execute(_SEEN, session, told)
            await tigerbeetle.accounts([1])
        except Exception as error:  # noqa: BLE001 - the database is away for now
            log.info("ledger_session_not_told", error=repr(error))
        await asyncio.sleep(SEEN_S)
