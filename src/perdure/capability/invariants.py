"""What must hold of the operations of a kind that an account pays for, as queries for `verify`."""

from collections.abc import Sequence
from typing import Any, Final

from perdure.capability.declaration import Capability
from perdure.core.effects import EffectStatuses
from perdure.core.script import CallStep
from perdure.ledger.chart import SystemAccount

ASKED_MINOR: Final = "o.input->'request'->>'amount_minor'"
ASKED_CURRENCY: Final = "o.input->'request'->>'currency'"


def funded_invariants(
    kind: Capability,
    taken_by: SystemAccount,
    *,
    amount_minor: str = ASKED_MINOR,
    currency: str = ASKED_CURRENCY,
) -> dict[str, str]:
    """Return what holds of every kind that tells the customer how it ended; as `posted_once`."""
    posted = posted_once(kind.name, taken_by, amount_minor=amount_minor, currency=currency)
    return {
        f"succeeded_{kind.plural}_posted_once": posted,
        f"other_{kind.plural}_moved_nothing": moved_nothing(kind.name),
        f"{kind.plural}_owe_their_messages": messages_owed(kind.name),
    }


def effect_invariants(
    kind: Capability,
    step: CallStep[Any, Any],
    undo: CallStep[Any, Any],
    statuses: EffectStatuses,
    *,
    result: str,
    answer_id: str = "id",
) -> dict[str, str]:
    """Return what holds of a kind that one provider does one thing for; see `ProviderEffect`.

    Args:
        result: The field of an operation's result that has the answer.
        answer_id: The answer's field with the provider's own id.
    """
    stands, undone = statuses.stands, statuses.undone
    result_id = f"o.result->'{result}'->>'{answer_id}'"
    answered = answered_as_it_succeeded(kind.name, step.row_name, stands, answer_id, result_id)
    undid = undone_where_it_did_not(kind.name, step.row_name, stands, answer_id, by=[undo.row_name])
    return {
        f"succeeded_{kind.plural}_were_answered_{stands}": answered,
        f"other_{kind.plural}_{undone}_what_was_{stands}": undid,
    }


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
    WHERE o.in_question AND o.kind = '{kind}' AND o.status = 'succeeded'
    GROUP BY o.id
) AS entries
WHERE (held = 1 AND posted = 1 AND released = 0 AND posted_minor = amount_minor) IS NOT TRUE
"""


def moved_nothing(kind: str, *, account: str = "account_id") -> str:
    """Return what finds those that ended without success, and moved money or hold it still.

    Args:
        account: The request's field with the account that pays.
    """
    return f"""
SELECT ARRAY[id, account_id] AS subject_ids,
       format('%s, yet %s posted; %s of %s holds released', status, posted, released, held)
           AS detail
FROM (
    SELECT o.id, o.status, o.input->'request'->>'{account}' AS account_id,
           {_COUNTED}
    FROM operations o LEFT JOIN ledger_transfers t ON t.operation_id = o.id
    WHERE o.in_question AND o.kind = '{kind}' AND o.status <> 'succeeded'
        AND o.finished_at IS NOT NULL
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
    FROM operations o WHERE o.in_question AND o.kind = '{kind}' AND o.finished_at IS NOT NULL
) AS told
WHERE owed <> due
"""


def answered_as_it_succeeded(
    kind: str, step: str, stands: str, answer_id: str, result_id: str
) -> str:
    """Return what finds the succeeded ones that their provider's answer does not bear out.

    Args:
        step: The call, as rows name it.
        stands: The status of an answer that does.
        answer_id: The answer's field with the provider's own id.
        result_id: Where the operation's row `o` has that.
    """
    # The system before this one keeps no record of its calls (`lane` -1: `ELSEWHERE`).
    return f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded with %s; its call is %s: %s', coalesce({result_id}, 'nothing'),
              coalesce(c.state, 'none'), coalesce(c.answer::text, 'no answer')) AS detail
FROM operations o
LEFT JOIN provider_calls c ON c.operation_id = o.id AND c.step = '{step}'
WHERE o.in_question AND o.kind = '{kind}' AND o.status = 'succeeded' AND o.lane IS DISTINCT FROM -1
    AND (c.state = 'answered' AND c.answer->>'status' = '{stands}'
        AND c.answer->>'{answer_id}' = {result_id}) IS NOT TRUE
"""


def undone_where_it_did_not(
    kind: str, step: str, stands: str, answer_id: str, *, by: Sequence[str]
) -> str:
    """Return what finds the others whose provider did it, and was not made to undo it.

    What undoes has no intent of its own: it may be asked for any number of times.

    Args:
        by: The steps of which any shows that it is undone, as rows name them.
    """
    steps = ", ".join(f"'{name}'" for name in by)
    return f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; %s was done, and not undone', o.status, c.answer->>'{answer_id}') AS detail
FROM operations o JOIN provider_calls c ON c.operation_id = o.id AND c.step = '{step}'
WHERE o.in_question AND o.kind = '{kind}' AND o.status IN ('failed', 'cancelled')
    AND c.state = 'answered' AND c.answer->>'status' = '{stands}'
    AND NOT EXISTS (SELECT FROM operation_steps s WHERE s.operation_id = o.id
        AND s.step IN ({steps}) AND s.outcome = 'succeeded')
"""


_COUNTED: Final = """
           count(t.id) FILTER (WHERE t.kind = 'pending') AS held,
           count(t.id) FILTER (WHERE t.kind IN ('void_pending', 'expire_pending')) AS released,
           count(t.id) FILTER (WHERE t.kind IN ('posted', 'post_pending')) AS posted"""
