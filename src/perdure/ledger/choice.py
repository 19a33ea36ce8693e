"""Which store keeps the ledger of this installation, opened for a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

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
    if choice is LedgerChoice.POSTGRES:
        if (bound_to := await cluster_of(pool)) is not None:
            raise ConfigurationError(
                f"This database's balances are at TigerBeetle (cluster {bound_to}); set"
                " PERDURE_LEDGER=tigerbeetle and TIGERBEETLE_ADDRESSES.",
                param="PERDURE_LEDGER",
            )
        yield OpenedLedger(PostgresLedger())
        return
    check_addresses(addresses)
    open_there = with_client("tigerbeetle").open_tigerbeetle_ledger
    async with open_there(pool, cluster_id, addresses, process=process) as opened:
        yield opened


async def cluster_of(pool: Pool) -> str | None:
    """Return the cluster where a database's balances are; None: they are in it."""
    try:
        found: str | None = await pool.fetchval(
            "SELECT cluster_id FROM ledger_tigerbeetle WHERE NOT is_moving"
        )
    except asyncpg.UndefinedTableError:
        return None  # not migrated yet: whoever needs it says so
    return found


def check_addresses(addresses: str) -> None:
    """Refuse to go on without an address.

    Raises:
        ConfigurationError: There is none.
    """
    if not addresses:
        raise ConfigurationError(
            "TIGERBEETLE_ADDRESSES is not set: where the cluster's replicas are, as host:port,….",
            param="TIGERBEETLE_ADDRESSES",
        )


def with_client(module: str) -> Any:
    """Return a module of the ledger's that needs TigerBeetle's client.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module(f"perdure.ledger.{module}")
    except ImportError as error:
        raise ConfigurationError(
            f"TigerBeetle's client does not load ({error}): pip install 'perdure[tigerbeetle]'.",
            param="PERDURE_LEDGER",
        ) from error
