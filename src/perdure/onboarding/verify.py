"""What must hold of onboardings, as queries for `verify`."""

from typing import Final

WHOLE: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded; %s of %s accounts, approved %s times', accounts, currencies, approvals)
           AS detail
FROM operations o, LATERAL (
    SELECT (SELECT count(*) FROM ledger_accounts a WHERE a.customer_id = o.customer_id
               AND o.result->'account_ids' ? a.id) AS accounts,
           jsonb_array_length(o.input->'request'->'currencies') AS currencies,
           (SELECT count(*) FROM operation_trail t WHERE t.operation_id = o.id
               AND t.action = 'identity_approved' AND t.at <= o.finished_at) AS approvals
) AS found
WHERE o.in_question AND o.kind = 'onboarding' AND o.status = 'succeeded'
    AND NOT (accounts = currencies AND approvals > 0)
"""

UNDONE: Final = """
SELECT ARRAY[o.id, a.id] AS subject_ids,
       format('%s, and its account in %s is %s', o.status, a.currency, a.status) AS detail
FROM operations o
JOIN effects e ON e.operation_id = o.id AND e.step = 'open_accounts'
JOIN ledger_accounts a ON e.result->'account_ids' ? a.id
WHERE o.in_question AND o.kind = 'onboarding' AND o.status IN ('failed', 'cancelled')
    AND a.status <> 'closed'
"""

INVARIANTS: Final = {
    "succeeded_onboardings_are_whole": WHOLE,
    "other_onboardings_left_nothing_open": UNDONE,
}
"""Each invariant's name and the query that finds what breaks it."""
