"""What must hold of the operations of a kind that an account pays for, as queries for `verify`."""

from typing import Final

from perdure.ledger.chart import SystemAccount

ASKED_MINOR: Final = "o.input->'request'->>'amount_minor'"
ASKED_CURRENCY: Final = "o.input->'request'->>'currency'"


def posted_once(
    kind: str,
    taken_by: SystemAccount,
    *,
    amount_minor: str = ASKED_MINOR,
    currency: str = ASKED_CURRENCY,
) -> str:
    """Return what finds the succeeded ones that moved anything but their amount, once.

    Args:
        taken_by: The house's account that the money goes to.
        amount_minor, currency: Where the operation's row `o` has them.
    """
    return f"""
SELECT ARRAY[id, account_id] AS subject_ids,
       format('succeeded for %s, yet %s holds, %s posted with %s from account to {taken_by},'
              ' %s released', amount_minor, held, posted, posted_minor, released) AS detail
FROM (
    SELECT o.id, o.input->'request'->>'account_id' AS account_id,
           ({amount_minor})::bigint AS amount_minor, {_COUNTED},
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'post_pending'
               AND t.debit_account_id = o.input->'request'->>'account_id'
               AND t.credit_account_id = 'sys_{taken_by}_' || ({currency})), 0) AS posted_minor
    FROM operations o LEFT JOIN ledger_transfers t ON t.operation_id = o.id
    WHERE o.kind = '{kind}' AND o.status = 'succeeded'
    GROUP BY o.id
) AS entries
WHERE (held = 1 AND posted = 1 AND released = 0 AND posted_minor = amount_minor) IS NOT TRUE
"""


def moved_nothing(kind: str) -> str:
    """Return what finds those that ended without success, and moved money or hold it still."""
    return f"""
SELECT ARRAY[id, account_id] AS subject_ids,
       format('%s, yet %s posted; %s of %s holds released', status, posted, released, held)
           AS detail
FROM (
    SELECT o.id, o.status, o.input->'request'->>'account_id' AS account_id, {_COUNTED}
    FROM operations o LEFT JOIN ledger_transfers t ON t.operation_id = o.id
    WHERE o.kind = '{kind}' AND o.status <> 'succeeded' AND o.finished_at IS NOT NULL
    GROUP BY o.id
) AS entries
WHERE posted > 0 OR held <> released OR held > 1
"""


def messages_owed(kind: str) -> str:
    """Return what finds those that owe other messages than one for each way to the customer."""
    return f"""
SELECT ARRAY[id] AS subject_ids,
       format('%s, owes messages to %s, and should to %s', status, owed, due) AS detail
FROM (
    SELECT o.id, o.status,
           ARRAY(SELECT way FROM (VALUES
                   ('email:' || (o.input->'request'->'customer'->>'email')),
                   ('sms:' || (o.input->'request'->'customer'->>'phone'))
               ) AS ways (way) WHERE way IS NOT NULL ORDER BY way) AS due,
           ARRAY(SELECT n.channel || ':' || n.recipient FROM notifications n
               WHERE n.operation_id = o.id ORDER BY 1) AS owed
    FROM operations o WHERE o.kind = '{kind}' AND o.finished_at IS NOT NULL
) AS told
WHERE owed <> due
"""


_COUNTED: Final = """
           count(t.id) FILTER (WHERE t.kind = 'pending') AS held,
           count(t.id) FILTER (WHERE t.kind IN ('void_pending', 'expire_pending')) AS released,
           count(t.id) FILTER (WHERE t.kind IN ('posted', 'post_pending')) AS posted"""
