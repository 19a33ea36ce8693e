"""What the demo counts: orders and trades as they stand, and whether what there was is still there.

What is asked are the services' own books, and ours of the same: whoever has bought an asset has it
there, and nobody else.
"""

from collections import Counter
from typing import Final

from perdure.config import Settings
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.store import LedgerStore
from perdure.legacy.ending import ACTOR
from perdure.legacy.trail import TRY
from perdure.outside import use_of
from perdure.providers.host import ProviderHost
from perdure.storage.pool import Connection, Pool
from perdure.trades.contracts import KIND
from perdure.trades.possessions import HOUSE, Possessions
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

_TIMEOUT_S: Final = 30.0


async def expect(pool: Pool, ledger: LedgerStore[Connection], seeded: Possessions) -> Possessions:
    """Return who has to have what by our books, of the assets that there were at the beginning."""
    found = Possessions(Counter(seeded.assets))
    for row in await pool.fetch(_TRADED, KIND):
        found.assets[row["buyer"], row["asset"]] += row["lots"]
        found.assets[row["seller"], row["asset"]] -= row["lots"]
    for row in await pool.fetch(_RESERVED):
        found.reserved[row["account_id"], row["asset"]] += row["lots"]
    houses = {
        system_account_id(SystemAccount.FEES, currency): currency for _, currency in seeded.money
    }
    async with pool.acquire() as connection:
        accounts = await ledger.accounts_with_balances(
            connection, {*houses, *(account for account, _ in seeded.money)}
        )
    for account, balance in accounts.values():
        owner = HOUSE if account.id in houses else account.id
        found.money[owner, account.currency] += balance.posted_minor
    return found


def differences(found: Possessions, expected: Possessions) -> list[str]:
    """Return where both say something else, a sentence each."""
    return [
        f"{account} has {have[account, what]:,} {what}{how}; by our books it is"
        f" {should[account, what]:,}."
        for how, have, should in (
            ("", found.assets, expected.assets),
            (" reserved", found.reserved, expected.reserved),
            (" blocked", found.blocked, expected.blocked),
            (" in the wallet", found.money, expected.money),
        )
        for account, what in sorted(have.keys() | should.keys())
        if have[account, what] != should[account, what]
    ]


async def orders_by_status(pool: Pool) -> Counter[tuple[str, str]]:
    """Return how many orders are in which state, and why."""
    rows = await pool.fetch(
        "SELECT status, coalesce(reason, ''), count(*) FROM orders GROUP BY 1, 2"
    )
    return Counter({(status, reason): count for status, reason, count in rows})


async def references(pool: Pool) -> set[str]:
    """Return the references of the orders that are stored."""
    return {row["reference"] for row in await pool.fetch("SELECT reference FROM orders")}


async def trades_by_status(pool: Pool) -> Counter[str]:
    """Return how many trades are in which state."""
    return await _counted(
        pool, f"SELECT status, count(*) FROM operations WHERE kind = '{KIND}' GROUP BY 1"
    )


async def trades_by_engine(pool: Pool) -> Counter[str]:
    """Return how many trades each system was given by the flag."""
    return await _counted(
        pool,
        "SELECT engine, count(*) FROM operation_routes JOIN operations ON id = operation_id"
        f" WHERE kind = '{KIND}' GROUP BY 1",
    )


async def tried_again(pool: Pool) -> int:
    """Return of how many trades the old system tried something more than once."""
    found: int = await pool.fetchval(
        "SELECT count(DISTINCT operation_id) FROM operation_trail"
        f" WHERE actor = '{ACTOR}' AND (data->>'{TRY}')::integer > 1"
    )
    return found


async def missing_trades(pool: Pool) -> int:
    """Return how many numbers of trades have no trade, or more than one."""
    found: int = await pool.fetchval(_MISSING, KIND)
    return found


async def doubled_calls(settings: Settings) -> int:
    """Return how many blocks and transfers there are beyond one for each trade."""
    async with ProviderHost(timeout_s=_TIMEOUT_S) as host:
        blocks = use_of(ASSETS_ROLE, settings).make(host).blocks()
        made = Counter([one.reference async for one in blocks])
    async with ProviderHost(timeout_s=_TIMEOUT_S) as host:
        transfers = use_of(WALLETS_ROLE, settings).make(host).transfers()
        moved = Counter([one.reference async for one in transfers])
    return made.total() - len(made) + moved.total() - len(moved)


async def is_over(pool: Pool) -> bool:
    """Whether nothing more happens by itself: what is open waits for another's order."""
    return not await pool.fetchval(_UNDER_WAY, KIND)


async def failures(pool: Pool) -> Counter[str]:
    """Return how many trades were reversed, by why."""
    return await _counted(
        pool,
        "SELECT failure->>'code', count(*) FROM operations"
        f" WHERE kind = '{KIND}' AND status = 'failed' GROUP BY 1",
    )


async def _counted(pool: Pool, sql: str) -> Counter[str]:
    return Counter({row[0]: row[1] for row in await pool.fetch(sql)})


_TRADED: Final = """
SELECT input->'request'->>'buyer_account_id' AS buyer,
       input->'request'->>'seller_account_id' AS seller,
       input->'request'->>'asset' AS asset,
       sum((input->'request'->>'quantity_lots')::bigint)::bigint AS lots
FROM operations WHERE kind = $1 AND status = 'succeeded'
GROUP BY 1, 2, 3
"""
_RESERVED: Final = """
SELECT account_id, asset, sum(remaining_lots)::bigint AS lots
FROM orders WHERE side = 'sell' GROUP BY 1, 2
"""
_UNDER_WAY: Final = """
SELECT EXISTS (SELECT FROM operations WHERE kind = $1 AND finished_at IS NULL
           AND status <> 'needs_attention')
    OR EXISTS (SELECT FROM orders WHERE look_at IS NOT NULL OR status IN ('reserving', 'entering')
           OR (time_in_force = 'gtd' AND status IN ('open', 'partly_filled')))
    OR EXISTS (SELECT FROM order_requests WHERE NOT is_answered)
"""
_MISSING: Final = """
SELECT coalesce(sum(last - numbers + trades - numbers), 0)::bigint FROM (
    SELECT max((input->'request'->>'trade_number')::bigint) AS last,
           count(DISTINCT input->'request'->>'trade_number') AS numbers, count(*) AS trades
    FROM operations WHERE kind = $1 GROUP BY input->'request'->>'asset'
) AS of_assets
"""
