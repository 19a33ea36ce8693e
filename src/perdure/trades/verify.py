"""Checks that each trade exchanged what it was for, or nothing: on our books, and at both services.

What a trade's row asks for is compared with three other books: the ledger's, the asset service's
and the wallet service's.
"""

from decimal import Decimal
from typing import Final

from perdure.capability.books import BEGAN_SINCE, Books
from perdure.capability.invariants import moved_nothing, undone_where_it_did_not
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.storage.pool import Connection, Pool
from perdure.trades.contracts import KIND
from perdure.trades.funding import FUNDED
from perdure.trades.orders import verify as orders
from perdure.trades.process import BLOCK_ASSET, MOVE_MONEY, RETURN_MONEY, UNBLOCK_ASSET
from perdure.trades.services.assets import ASSETS_ROLE, BlockedAsset, Reservation
from perdure.trades.services.wallets import TRANSFER_STATUSES, WALLETS_ROLE, WalletTransfer


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return trades whose traces are not those of their outcome; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


_ASKED: Final = """
    SELECT o.id, o.status, o.lane, o.result, o.finished_at, o.created_at,
           o.input->'request'->>'asset' AS asset,
           (o.input->'request'->>'quantity_lots')::bigint AS quantity_lots,
           o.input->'request'->>'currency' AS currency,
           o.input->'request'->>'buyer_account_id' AS buyer,
           o.input->'request'->>'seller_account_id' AS seller,
           o.input->'request'->>'sell_order_id' AS sell_order,
           (o.input->'request'->>'price_minor')::bigint
               * (o.input->'request'->>'quantity_lots')::bigint AS value_minor,
           (o.input->'request'->>'buyer_fee_minor')::bigint AS buyer_fee_minor,
           (o.input->'request'->>'seller_fee_minor')::bigint AS seller_fee_minor
"""

# Whatever else is written for a trade, its entries would not be those that these sums are of.
SUCCEEDED_PAID_BOTH: Final = f"""
SELECT ARRAY[id, buyer, seller] AS subject_ids,
       format('succeeded for %s, fees %s and %s; %s entries: %s held, %s posted, %s paid to the'
              ' seller, %s to the house', value_minor, buyer_fee_minor, seller_fee_minor, entries,
              held_minor, posted_minor, earned_minor, fees_minor) AS detail
FROM (
    SELECT asked.id, asked.buyer, asked.seller, value_minor, asked.buyer_fee_minor,
           asked.seller_fee_minor, count(t.id) AS entries,
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'pending'), 0) AS held_minor,
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'post_pending'
               AND t.debit_account_id = asked.buyer AND t.credit_account_id = clearing), 0)
               AS posted_minor,
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'posted'
               AND t.debit_account_id = clearing AND t.credit_account_id = asked.seller), 0)
               AS earned_minor,
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'posted'
               AND t.debit_account_id = clearing AND t.credit_account_id = fees), 0) AS fees_minor
    FROM ({_ASKED}, 'sys_{FUNDED.taken_by}_' || (o.input->'request'->>'currency') AS clearing,
              'sys_fees_' || (o.input->'request'->>'currency') AS fees
          FROM operations o
          WHERE o.in_question AND o.kind = '{KIND}' AND o.status = 'succeeded') AS asked
    LEFT JOIN ledger_transfers t ON t.operation_id = asked.id
    GROUP BY asked.id, asked.buyer, asked.seller, value_minor, asked.buyer_fee_minor,
        asked.seller_fee_minor
) AS entries
WHERE (held_minor, posted_minor, earned_minor, fees_minor, entries) IS DISTINCT FROM
    (value_minor + buyer_fee_minor, value_minor + buyer_fee_minor, value_minor - seller_fee_minor,
     buyer_fee_minor + seller_fee_minor,
     2 + (value_minor > seller_fee_minor)::integer
       + (buyer_fee_minor + seller_fee_minor > 0)::integer)
"""

LEFT_NOTHING_ON_CLEARING: Final = f"""
SELECT ARRAY[id] AS subject_ids,
       format('%s, and left %s on the clearing account', status, left_minor) AS detail
FROM (
    SELECT o.id, o.status,
           sum(CASE WHEN t.credit_account_id = clearing THEN t.amount_minor
               ELSE -t.amount_minor END) AS left_minor
    FROM operations o
    JOIN ledger_transfers t ON t.operation_id = o.id AND t.kind IN ('posted', 'post_pending'),
        LATERAL (SELECT 'sys_{FUNDED.taken_by}_' || t.currency AS clearing) AS named
    WHERE o.in_question AND o.kind = '{KIND}' AND o.finished_at IS NOT NULL
        AND clearing IN (t.debit_account_id, t.credit_account_id)
    GROUP BY o.id
) AS sums
WHERE left_minor <> 0
"""

OWE_BOTH_THEIR_MESSAGES: Final = f"""
SELECT ARRAY[id] AS subject_ids,
       format('%s, owes messages to %s, and should to %s', status, owed, due) AS detail
FROM (
    SELECT o.id, o.status,
           ARRAY(SELECT side || ':' || way FROM unnest('{{buyer,seller}}'::text[]) AS side,
               LATERAL (VALUES
                   ('email:' || (o.input->'request'->side->>'email')),
                   ('sms:' || (o.input->'request'->side->>'phone'))
               ) AS ways (way) WHERE way IS NOT NULL ORDER BY 1) AS due,
           ARRAY(SELECT n.audience || ':' || n.channel || ':' || n.recipient
               FROM notifications n WHERE n.operation_id = o.id ORDER BY 1) AS owed
    FROM operations o
    WHERE o.in_question AND o.kind = '{KIND}' AND o.finished_at IS NOT NULL
) AS told
WHERE owed <> due
"""

# The system before this one keeps no record of its calls (`lane` -1: `ELSEWHERE`).
WERE_ANSWERED_AS_THEY_ENDED: Final = f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; its calls: %s', o.status, coalesce(calls, 'none')) AS detail
FROM operations o, LATERAL (
    SELECT string_agg(step || ' ' || state || ' ' || coalesce(answer->>'status', ''), ', '
               ORDER BY step) AS calls,
           count(*) FILTER (WHERE state = 'answered') AS answered,
           count(*) FILTER (WHERE step = 'deliver_asset' AND state = 'answered') AS delivered
    FROM provider_calls c WHERE c.operation_id = o.id
        AND step IN ('block_asset', 'move_money', 'deliver_asset')
) AS made
WHERE o.in_question AND o.kind = '{KIND}' AND o.finished_at IS NOT NULL
    AND o.lane IS DISTINCT FROM -1
    AND CASE WHEN o.status = 'succeeded' THEN answered <> 3 OR delivered <> 1
        ELSE delivered <> 0 END
"""

INVARIANTS: Final = {
    "succeeded_trades_paid_both": SUCCEEDED_PAID_BOTH,
    "other_trades_moved_nothing": moved_nothing(KIND, account="buyer_account_id"),
    "trades_left_nothing_on_clearing": LEFT_NOTHING_ON_CLEARING,
    "trades_owe_both_their_messages": OWE_BOTH_THEIR_MESSAGES,
    "trades_were_answered_as_they_ended": WERE_ANSWERED_AS_THEY_ENDED,
    "other_trades_unblocked_what_was_blocked": undone_where_it_did_not(
        KIND, BLOCK_ASSET.row_name, "blocked", "block_id", by=[UNBLOCK_ASSET.row_name]
    ),
    "other_trades_returned_what_was_moved": undone_where_it_did_not(
        KIND,
        MOVE_MONEY.row_name,
        TRANSFER_STATUSES.stands,
        "transfer_id",
        by=[RETURN_MONEY.row_name],
    ),
    **orders.INVARIANTS,
}
"""Each invariant's name and the query that finds what breaks it."""

_TRADES: Final = f"({_ASKED} FROM operations o WHERE o.kind = '{KIND}' AND {BEGAN_SINCE})"

_LISTED: Final = """
CREATE TEMPORARY TABLE {listed} (reference text, status text, {columns}) ON COMMIT DROP
"""

_AT_MOST_ONCE: Final = """
SELECT ARRAY[reference] AS subject_ids, format('%s stand there', count(*)) AS detail
FROM {listed} WHERE {stands} GROUP BY reference HAVING count(*) > 1
"""

_SUCCEEDED_ONCE: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded; there stand %s, of which %s are what was agreed', count(b.reference),
              count(*) FILTER (WHERE {agreed})) AS detail
FROM {trades} AS o
LEFT JOIN {listed} b ON b.reference = o.id AND {stands}
WHERE o.status = 'succeeded' AND o.finished_at < now()
GROUP BY o.id
HAVING count(b.reference) <> 1 OR count(*) FILTER (WHERE {agreed}) <> 1
"""

_OTHERS_LEFT_NONE: Final = """
SELECT ARRAY[o.id] AS subject_ids, format('%s; there it is %s', o.status, b.status) AS detail
FROM operations o JOIN {listed} b ON b.reference = o.id AND {stands}
WHERE o.kind = '{kind}' AND o.status IN ('failed', 'cancelled') AND o.finished_at < now()
"""

_HAVE_A_TRADE: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('it is %s there; there is no such trade', b.status) AS detail
FROM {listed} b
WHERE {stands} AND NOT EXISTS (SELECT FROM operations o WHERE o.id = b.reference
    AND o.kind = '{kind}')
"""


def _compared(listed: str, what: str, stands: str, agreed: str) -> dict[str, str]:
    """Return what must hold between what a service tells of trades and how those ended.

    Args:
        listed: The table that has what it tells.
        what: What one entry of it is, for the names: `block`.
        stands: The condition on an entry `b` of something that was not taken back.
        agreed: The condition on it, and on the trade `o`, of what a trade that succeeded leaves.
    """
    names = {"listed": listed, "stands": stands, "agreed": agreed, "kind": KIND, "trades": _TRADES}
    of_listed = names | {"stands": stands.replace("b.", "")}
    return {
        f"{what}_at_most_once": _AT_MOST_ONCE.format(**of_listed),
        f"succeeded_trades_have_their_{what}": _SUCCEEDED_ONCE.format(**names),
        f"other_trades_left_no_{what}": _OTHERS_LEFT_NONE.format(**names),
        f"{what}s_have_a_trade": _HAVE_A_TRADE.format(**names),
    }


def _at_assets(entry: BlockedAsset | Reservation) -> tuple[object, ...]:
    if isinstance(entry, Reservation):
        lots = Decimal(entry.quantity_lots)
        return (entry.reference, orders.RESERVED, "", entry.owner, "", entry.asset, lots)
    return (
        entry.reference,
        entry.status,
        entry.reservation,
        entry.owner,
        entry.recipient,
        entry.asset,
        Decimal(entry.quantity_lots),
    )


ASSET_BOOKS: Final[Books[BlockedAsset | Reservation]] = Books(
    role=ASSETS_ROLE,
    table=(
        "asset_blocks",
        _LISTED.format(
            listed="asset_blocks",
            columns="reservation text, owner text, recipient text, asset text,"
            " quantity_lots numeric",
        ),
    ),
    record=_at_assets,
    then=("ANALYZE asset_blocks",),
    invariants=_compared(
        "asset_blocks",
        "block",
        f"b.status NOT IN ('unblocked', '{orders.RESERVED}')",
        "b.status = 'delivered' AND b.reservation = o.sell_order AND b.owner = o.seller"
        " AND b.recipient = o.buyer AND b.asset = o.asset AND b.quantity_lots = o.quantity_lots",
    )
    | orders.AT_ASSETS,
)


def _transfer(entry: WalletTransfer) -> tuple[object, ...]:
    return (
        entry.reference,
        entry.status,
        entry.payer,
        entry.payee,
        Decimal(entry.amount_minor),
        Decimal(entry.fee_minor),
        entry.currency,
    )


WALLET_BOOKS: Final[Books[WalletTransfer]] = Books(
    role=WALLETS_ROLE,
    table=(
        "wallet_transfers",
        _LISTED.format(
            listed="wallet_transfers",
            columns="payer text, payee text, amount_minor numeric, fee_minor numeric,"
            " currency text",
        ),
    ),
    record=_transfer,
    then=("ANALYZE wallet_transfers",),
    invariants=_compared(
        "wallet_transfers",
        "transfer",
        "b.status NOT IN ('reversed', 'failed')",
        "b.status = 'done' AND b.payer = o.buyer AND b.payee = o.seller"
        " AND b.amount_minor = o.value_minor + o.buyer_fee_minor"
        " AND b.fee_minor = o.buyer_fee_minor + o.seller_fee_minor AND b.currency = o.currency",
    ),
)
