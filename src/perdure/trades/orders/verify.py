"""What must hold between orders, the ledger, trades, each book's journal, and what is set aside."""

from typing import Final

from perdure.capability.books import BEGAN_SINCE
from perdure.trades.orders.reservations import blocked

RESERVED: Final = "reserved"
"""The status of a reservation, in the table of what the asset service tells."""

EACH_HOLDS_WHAT_IT_MAY_COST: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s, holds %s and may still cost %s; on hold in the ledger: %s', o.status,
              o.hold_minor, o.cost_minor, coalesce(t.amount_minor, 0)) AS detail
FROM (
    SELECT *, CASE WHEN side = 'buy'
        THEN price_minor * remaining_lots
            + div((filled_minor::numeric + price_minor * remaining_lots) * fee_basis_points + 5000,
                  10000)
            - div(filled_minor::numeric * fee_basis_points + 5000, 10000)
        ELSE 0 END AS cost_minor
    FROM orders
) AS o
LEFT JOIN ledger_open_holds h ON h.transfer_id = o.hold_id
LEFT JOIN ledger_transfers t ON t.id = h.transfer_id
WHERE o.hold_minor <> o.cost_minor OR o.hold_minor <> coalesce(t.amount_minor, 0)
"""

NO_HOLD_WITHOUT_ITS_ORDER: Final = """
SELECT ARRAY[h.transfer_id] AS subject_ids,
       format('holds %s %s for no order', t.amount_minor, t.currency) AS detail
FROM ledger_open_holds h
JOIN ledger_transfers t ON t.id = h.transfer_id
WHERE t.code = 'order' AND NOT EXISTS (SELECT FROM orders WHERE orders.hold_id = h.transfer_id)
"""

FILLS_ARE_TRADES: Final = """
WITH traded AS (
    SELECT input->'request'->>'asset' AS asset, side.order_id,
           sum((input->'request'->>'quantity_lots')::bigint) AS lots,
           sum((input->'request'->>'quantity_lots')::numeric
               * (input->'request'->>'price_minor')::numeric) AS value_minor
    FROM operations CROSS JOIN LATERAL (VALUES
        (input->'request'->>'buy_order_id'), (input->'request'->>'sell_order_id')
    ) AS side (order_id)
    WHERE kind = 'trade'
    GROUP BY 1, 2
)
SELECT ARRAY[coalesce(orders.id, traded.order_id)] AS subject_ids,
       format('%s, filled %s lots for %s; its trades are %s lots for %s',
              coalesce(orders.status, 'no such order'), orders.filled_lots, orders.filled_minor,
              coalesce(lots, 0), coalesce(value_minor, 0)) AS detail
FROM orders FULL JOIN traded ON traded.order_id = orders.id AND traded.asset = orders.asset
WHERE orders.filled_lots <> coalesce(lots, 0) OR orders.filled_minor <> coalesce(value_minor, 0)
    OR (orders.id IS NULL AND EXISTS (SELECT FROM instruments i WHERE i.asset = traded.asset))
"""

ORDERS_ADD_UP: Final = """
SELECT ARRAY[id] AS subject_ids,
       format('%s, %s lots: %s filled, %s left', status, quantity_lots, filled_lots,
              remaining_lots) AS detail
FROM orders
WHERE filled_lots + remaining_lots > quantity_lots
    OR (remaining_lots > 0) <> (status NOT IN ('filled', 'cancelled', 'rejected'))
    OR (status = 'filled' AND filled_lots <> quantity_lots)
    OR (status = 'rejected' AND filled_lots > 0)
    OR (side = 'sell' AND reserved_lots <> filled_lots + remaining_lots)
"""

JOURNALS_HAVE_NO_GAP: Final = """
SELECT ARRAY[i.asset] AS subject_ids,
       format('at command %s and trade %s; its journal has %s commands up to %s, and there are %s'
              ' trades', i.sequence, i.trade_number, journal.commands, journal.latest,
              trades.count) AS detail
FROM instruments i
CROSS JOIN LATERAL (
    SELECT count(*) AS commands, coalesce(max(sequence), 0) AS latest
    FROM order_journal WHERE asset = i.asset
) AS journal
CROSS JOIN LATERAL (
    SELECT count(*) FROM operations
    WHERE kind = 'trade' AND input->'request'->>'asset' = i.asset
) AS trades
WHERE journal.commands <> i.sequence OR journal.latest <> i.sequence
    OR trades.count <> i.trade_number
"""

KEPT_FOR_TRADES_THAT_BLOCKED: Final = f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('has %s lots returned, and %s were of trades that nothing was blocked for',
              o.returned_lots, coalesce(gone.lots, 0)) AS detail
FROM orders o LEFT JOIN (
    SELECT t.input->'request'->>'sell_order_id' AS order_id,
           sum((t.input->'request'->>'quantity_lots')::bigint) AS lots
    FROM operations t
    WHERE t.kind = 'trade' AND t.status IN ('failed', 'cancelled') AND NOT {blocked("t.id")}
    GROUP BY 1
) AS gone ON gone.order_id = o.id
WHERE o.returned_lots <> coalesce(gone.lots, 0)
"""

INVARIANTS: Final = {
    "orders_hold_what_they_may_cost": EACH_HOLDS_WHAT_IT_MAY_COST,
    "no_hold_without_its_order": NO_HOLD_WITHOUT_ITS_ORDER,
    "order_fills_are_trades": FILLS_ARE_TRADES,
    "orders_add_up": ORDERS_ADD_UP,
    "journals_have_no_gap": JOURNALS_HAVE_NO_GAP,
    "sells_keep_nothing_for_trades_that_failed": KEPT_FOR_TRADES_THAT_BLOCKED,
}
"""Each invariant's name and the query that finds what breaks it."""

# What changed since the books are read, or is owed still, may stand either way.
KEEPS_WHAT_ORDERS_NEED: Final = f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('%s, needs %s lots of %s; %s reservations there, of %s lots', o.status,
              o.reserved_lots - o.returned_lots, o.asset, count(b.reference),
              coalesce(sum(b.quantity_lots), 0)) AS detail
FROM orders o
LEFT JOIN asset_blocks b ON b.reference = o.id AND b.status = '{RESERVED}'
    AND (b.quantity_lots = 0 OR (b.owner = o.account_id AND b.asset = o.asset))
WHERE o.side = 'sell' AND o.status <> 'reserving'
    AND o.reserved_version + o.returned_lots = o.reduced_version
    AND o.updated_at < now() AND {BEGAN_SINCE}
GROUP BY o.id
HAVING coalesce(sum(b.quantity_lots), 0) <> o.reserved_lots - o.returned_lots
    OR count(b.reference) > 1
"""

KEEPS_NOTHING_ELSE: Final = f"""
SELECT ARRAY[b.reference] AS subject_ids,
       format('%s lots of %s are set aside for no order', b.quantity_lots, b.asset) AS detail
FROM asset_blocks b
WHERE b.status = '{RESERVED}' AND b.quantity_lots > 0
    AND EXISTS (SELECT FROM instruments i WHERE i.asset = b.asset)
    AND NOT EXISTS (SELECT FROM orders o WHERE o.id = b.reference AND o.side = 'sell')
"""

AT_ASSETS: Final = {
    "what_is_set_aside_is_what_orders_need": KEEPS_WHAT_ORDERS_NEED,
    "nothing_is_set_aside_for_no_order": KEEPS_NOTHING_ELSE,
}
"""As above, of what the asset service tells."""
