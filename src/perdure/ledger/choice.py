"""Which store keeps the ledger of this installation, opened for a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from perdure.core.errors import ConfigurationError
from perdure.core.ledgers import LedgerChoice
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.store_postgres import PostgresLedger
from perdure.storage.pool import Pool


@asynccontextmanager
async def open_ledger(
    choice: LedgerChoice, pool: Pool, *, addresses: str, cluster_id: int, process: str
) -> AsyncIterator[OpenedLedger]:
    """Open the ledger that the settings name.

    Args:
        addresses, cluster_id: Of TigerBeetle's cluster.
        process: How the process calls itself.

    Raises:
        ConfigurationError: This database's balances are elsewhere, or TigerBeetle cannot be asked.
    """
    try:
        bound_to = await pool.fetchval(
            "SELECT cluster_id FROM ledger_tigerbeetle WHERE NOT is_moving"
        )
    except asyncpg.UndefinedTableError:
        bound_to = None  # not migrated yet: whoever needs it says so
    if choice is LedgerChoice.POSTGRES:
        if bound_to is not None:
            raise ConfigurationError(
                f"This database's balances are at TigerBeetle (cluster {bound_to}); set"
                " PERDURE_LEDGER=tigerbeetle and TIGERBEETLE_ADDRESSES.",
                param="PERDURE_LEDGER",
            )
        yield OpenedLedger(PostgresLedger())
        return
    if not addresses:
        raise ConfigurationError(
            "TIGERBEETLE_ADDRESSES is not set: where the cluster's replicas are, as host:port,….",
            param="TIGERBEETLE_ADDRESSES",
        )
    try:
        from perdure.ledger.tigerbeetle import open_tigerbeetle_ledger  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            f"TigerBeetle's client does not load ({error}): pip install 'perdure[tigerbeetle]'.",
            param="PERDURE_LEDGER",
        ) from error
    async with open_tigerbeetle_ledger(pool, cluster_id, addresses, process=process) as opened:
        yield opened
