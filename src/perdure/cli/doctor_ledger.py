"""What `perdure doctor` says of a ledger whose balances are at TigerBeetle."""

from collections.abc import AsyncIterator
from typing import Final

from perdure.cli.findings import Finding, Health
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.ledgers import LedgerChoice
from perdure.ledger.choice import check_addresses, cluster_of, with_client
from perdure.storage.pool import Pool

_PATIENCE_S: Final = 3.0
_FEW: Final = 8
"""So many sessions are left where it is told of."""

_LEFT: Final = """
SELECT count(*) FROM ledger_tigerbeetle_owed WHERE owed_at < now() - interval '1 minute'
"""


async def look_at_ledger(pool: Pool, settings: Settings) -> AsyncIterator[Finding]:
    """Tell whether the cluster answers, how many sessions it has, and what it was not told yet."""
    addresses, cluster_id = settings.tigerbeetle_addresses, settings.tigerbeetle_cluster_id
    bound_to = await cluster_of(pool)
    if settings.ledger is LedgerChoice.POSTGRES:
        if bound_to is not None:
            fix = "Set PERDURE_LEDGER=tigerbeetle and TIGERBEETLE_ADDRESSES."
            yield Finding("ledger", Health.FAIL, f"is at TigerBeetle's cluster {bound_to}", fix)
        return
    try:
        check_addresses(addresses)
        at = with_client("tigerbeetle_client")
        async with at.open_tigerbeetle(
            cluster_id, addresses, deadline_s=_PATIENCE_S
        ) as tigerbeetle:
            await tigerbeetle.accounts([1])
    except ConfigurationError as error:
        yield Finding("ledger", Health.FAIL, error.message)
        return
    except TimeoutError:
        fix = "Start the cluster, or set TIGERBEETLE_ADDRESSES to one that runs."
        yield Finding("ledger", Health.FAIL, f"TigerBeetle at {addresses} gives no answer", fix)
        return
    yield Finding("ledger", Health.OK, f"TigerBeetle at {addresses}, cluster {cluster_id}")
    used = await pool.fetchval(with_client("tigerbeetle").SESSIONS)
    told = f"{used} of {at.SESSIONS_MAX} in use, one for each process"
    if used > at.SESSIONS_MAX - _FEW:
        fix = "Run fewer processes: with one too many, the oldest session is ended."
        yield Finding("sessions", Health.WARN, told, fix)
    else:
        yield Finding("sessions", Health.OK, told)
    if left := await pool.fetchval(_LEFT):
        fix = "A worker of the role operations does it, as soon as the cluster answers."
        yield Finding("ledger", Health.WARN, f"{left:,} entries are not there yet", fix)
