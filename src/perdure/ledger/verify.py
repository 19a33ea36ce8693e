"""Checks the ledger's invariants on what is stored, on a live system too.

Each is one statement, so it sees one moment of the database. None of them can be broken through the
store; they are here to find what came another way.

A look at what changed reads the entries made since a moment, and the sums of those before it, which
`verifications` keeps. Balances, floors and open holds are looked at in full whenever it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold.

    Args:
        name: Which one.
        subject_ids: The accounts or transfers concerned.
        detail: What is wrong, for an operator.
    """

    name: str
    subject_ids: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Question:
    """A query that finds what breaks an invariant: it returns `subject_ids` and `detail`.

    Args:
        arguments: Of the query, from `$2` on.
    """

    name: str
    query: str
    arguments: tuple[object, ...] = ()

    @property
    def is_about_balances(self) -> bool:
        """Whether it looks at what is on accounts."""
        return _KEPT in self.query

    def over(self, table: str) -> "Question":
        """Return the same about balances in another table."""
        return replace(self, query=self.query.replace(_KEPT, table))

    async def ask(self, connection: Connection | Pool, *, limit: int) -> list[Violation]:
        """Return what breaks it, at most `limit`."""
        sql = f"{self.query} LIMIT $1"
        rows = await connection.fetch(sql, limit, *self.arguments, timeout=QUESTION_S)
        return [Violation(self.name, tuple(row["subject_ids"]), row["detail"]) for row in rows]


class BalancesElsewhere(Protocol):
    """Has balances that another system keeps looked at as those that are kept here."""

    async def show(self, connection: Connection, *, at_rest: bool) -> str:
        """Return the table that has them, until the transaction ends.

        Args:
            at_rest: Nothing is written from here on to the transaction's end, so that they are
                those of one moment. Else what is written meanwhile may be in one of two.
        """
        ...


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return what breaks an invariant, at most `limit` of each kind; empty when all is well."""
    return await ask_all(connection, questions(), limit=limit)


async def ask_all(
    connection: Connection | Pool, asked: Sequence[Question], *, limit: int
) -> list[Violation]:
    """Return what breaks any of these, at most `limit` of each."""
    return [found for each in asked for found in await each.ask(connection, limit=limit)]


async def ask_elsewhere(
    connection: Connection, asked: Sequence[Question], balances: BalancesElsewhere, *, limit: int
) -> list[Violation]:
    """Return what breaks any of these, about balances that are kept elsewhere.

    Only where something is found are writers stopped for a moment, to see whether it stays.
    """
    found: list[Violation] = []
    for at_rest in (False, True):
        table = await balances.show(connection, at_rest=at_rest)
        shown = [each.over(table) for each in asked]
        if not (found := await ask_all(connection, shown, limit=limit)):
            break
    return found


def questions(since: datetime | None = None) -> list[Question]:
    """Return what is asked of the ledger.

    Args:
        since: Entries of before were looked at; None: of all.
    """
    if since is None:
        return [Question(name, query) for name, query in INVARIANTS.items()]
    return [
        Question(name, query, (since,) if "$2" in query else ())
        for name, query in (INVARIANTS | _OF_WHAT_CHANGED).items()
    ]


_KEPT: Final = "ledger_balances"

QUESTION_S: Final = 3600.0
"""Longer than other statements: a query may look at every row there is."""

DEBITS_EQUAL_CREDITS: Final = """
SELECT ARRAY[currency] AS subject_ids,
       format('debits pending %s posted %s, credits pending %s posted %s',
              debits_pending, debits_posted, credits_pending, credits_posted) AS detail
FROM (
    SELECT a.currency,
           sum(b.debits_pending_minor) AS debits_pending,
           sum(b.debits_posted_minor) AS debits_posted,
           sum(b.credits_pending_minor) AS credits_pending,
           sum(b.credits_posted_minor) AS credits_posted
    FROM ledger_balances b JOIN ledger_accounts a ON a.id = b.account_id
    GROUP BY a.currency
) AS totals
WHERE (debits_pending, debits_posted) <> (credits_pending, credits_posted)
"""


def sums_of_entries(condition: str = "true") -> str:
    """Return the query for what each account's entries add up to.

    Args:
        condition: On the entry `t`.
    """
    return f"""
    SELECT account_id, sum(debits_pending) AS debits_pending, sum(debits_posted) AS debits_posted,
           sum(credits_pending) AS credits_pending, sum(credits_posted) AS credits_posted
    FROM (
        SELECT t.debit_account_id, t.credit_account_id,
               CASE WHEN t.kind IN ('posted', 'post_pending') THEN t.amount_minor
                   ELSE 0 END AS posted,
               CASE WHEN t.kind = 'pending' THEN t.amount_minor
                   ELSE coalesce(-held.amount_minor, 0) END AS pending
        FROM ledger_transfers t LEFT JOIN ledger_transfers held ON held.id = t.pending_id
        WHERE {condition}
    ) AS effect CROSS JOIN LATERAL (VALUES
        (debit_account_id, pending, posted, 0::bigint, 0::bigint),
        (credit_account_id, 0::bigint, 0::bigint, pending, posted)
    ) AS side (account_id, debits_pending, debits_posted, credits_pending, credits_posted)
    GROUP BY account_id"""


def _balances_equal(sums: str) -> str:
    return f"""
WITH expected AS (
    SELECT account_id,
           ARRAY[debits_pending, debits_posted, credits_pending, credits_posted] AS amounts
    FROM ({sums}) AS sums
), kept AS (
    SELECT account_id, ARRAY[sum(debits_pending_minor), sum(debits_posted_minor),
                             sum(credits_pending_minor), sum(credits_posted_minor)] AS amounts
    FROM ledger_balances GROUP BY account_id
)
SELECT ARRAY[account_id] AS subject_ids,
       format('balance %s, its transfers %s (debits pending, posted, credits pending, posted)',
              kept.amounts, expected.amounts) AS detail
FROM kept FULL JOIN expected USING (account_id)
WHERE coalesce(kept.amounts, '{{0,0,0,0}}') <> coalesce(expected.amounts, '{{0,0,0,0}}')
"""


BALANCES_EQUAL_TRANSFERS: Final = _balances_equal(sums_of_entries())

FLOORS_KEPT: Final = """
SELECT ARRAY[id] AS subject_ids, format('available %s %s', available, currency) AS detail
FROM (
    SELECT a.id, a.currency, CASE
        WHEN a.kind IN ('liability', 'income') THEN sum(b.credits_posted_minor)
            - sum(b.debits_posted_minor) - sum(b.debits_pending_minor)
        ELSE sum(b.debits_posted_minor)
            - sum(b.credits_posted_minor) - sum(b.credits_pending_minor)
        END AS available
    FROM ledger_accounts a JOIN ledger_balances b ON b.account_id = a.id
    WHERE NOT a.may_go_negative
    GROUP BY a.id
) AS floored
WHERE available < 0
"""


def _holds_settled_once(condition: str = "true") -> str:
    return f"""
SELECT ARRAY[t.pending_id] || array_agg(t.id ORDER BY t.id) AS subject_ids,
       format('held %s, settled %s times, posted %s', coalesce(held.amount_minor, 0), count(*),
              coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'post_pending'), 0)) AS detail
FROM ledger_transfers t
LEFT JOIN ledger_transfers held ON held.id = t.pending_id AND held.kind = 'pending'
WHERE t.pending_id IS NOT NULL AND {condition}
GROUP BY t.pending_id, held.id
HAVING held.id IS NULL
    OR count(*) > 1
    OR sum(t.amount_minor) > held.amount_minor
    OR bool_or((t.debit_account_id, t.credit_account_id, t.currency)
        <> (held.debit_account_id, held.credit_account_id, held.currency))
"""


HOLDS_SETTLED_ONCE: Final = _holds_settled_once()


def _open_holds_are_unsettled(condition: str = "true") -> str:
    return f"""
WITH unsettled AS (
    SELECT id FROM ledger_transfers held
    WHERE kind = 'pending' AND {condition}
        AND NOT EXISTS (SELECT FROM ledger_transfers t WHERE t.pending_id = held.id)
)
SELECT ARRAY[coalesce(u.id, h.transfer_id)] AS subject_ids,
       CASE WHEN u.id IS NULL THEN 'counted as open, but settled or no hold'
            ELSE 'not settled, but not counted as open' END AS detail
FROM unsettled u FULL JOIN ledger_open_holds h ON h.transfer_id = u.id
WHERE u.id IS NULL OR h.transfer_id IS NULL
"""


OPEN_HOLDS_ARE_UNSETTLED: Final = _open_holds_are_unsettled()

PENDING_EQUALS_OPEN_HOLDS: Final = """
WITH held AS (
    SELECT account_id, shard, sum(debit) AS debits, sum(credit) AS credits
    FROM ledger_open_holds h
    JOIN ledger_transfers t ON t.id = h.transfer_id
    CROSS JOIN LATERAL (VALUES
        (t.debit_account_id, h.debit_shard, t.amount_minor, 0),
        (t.credit_account_id, h.credit_shard, 0, t.amount_minor)
    ) AS entry (account_id, shard, debit, credit)
    GROUP BY account_id, shard
)
SELECT ARRAY[account_id] AS subject_ids,
       format('shard %s: pending debits %s credits %s, open holds %s and %s', shard,
              coalesce(b.debits_pending_minor, 0), coalesce(b.credits_pending_minor, 0),
              coalesce(held.debits, 0), coalesce(held.credits, 0)) AS detail
FROM ledger_balances b FULL JOIN held USING (account_id, shard)
WHERE (coalesce(b.debits_pending_minor, 0), coalesce(b.credits_pending_minor, 0))
    <> (coalesce(held.debits, 0), coalesce(held.credits, 0))
"""


def _transfers_match_accounts(condition: str = "true") -> str:
    return f"""
SELECT ARRAY[t.id, t.debit_account_id, t.credit_account_id] AS subject_ids,
       format('transfer in %s, accounts in %s and %s', t.currency,
              coalesce(debit.currency, 'none'), coalesce(credit.currency, 'none')) AS detail
FROM ledger_transfers t
LEFT JOIN ledger_accounts debit ON debit.id = t.debit_account_id
LEFT JOIN ledger_accounts credit ON credit.id = t.credit_account_id
WHERE {condition} AND (debit.currency = t.currency AND credit.currency = t.currency) IS NOT TRUE
"""


TRANSFERS_MATCH_ACCOUNTS: Final = _transfers_match_accounts()

BALANCE_ROWS_COMPLETE: Final = """
SELECT ARRAY[a.id] AS subject_ids,
       format('%s account with %s of %s balance rows, %s of them %s', a.status,
              count(b.account_id), a.shards,
              count(*) FILTER (WHERE b.status = a.status), a.status) AS detail
FROM ledger_accounts a LEFT JOIN ledger_balances b ON b.account_id = a.id
GROUP BY a.id
HAVING count(*) FILTER (WHERE b.status = a.status) <> a.shards OR count(b.account_id) <> a.shards
"""

INVARIANTS: Final = {
    "debits_equal_credits": DEBITS_EQUAL_CREDITS,
    "balances_equal_transfers": BALANCES_EQUAL_TRANSFERS,
    "floors_kept": FLOORS_KEPT,
    "holds_settled_once": HOLDS_SETTLED_ONCE,
    "open_holds_are_unsettled": OPEN_HOLDS_ARE_UNSETTLED,
    "pending_equals_open_holds": PENDING_EQUALS_OPEN_HOLDS,
    "transfers_match_accounts": TRANSFERS_MATCH_ACCOUNTS,
    "balance_rows_complete": BALANCE_ROWS_COMPLETE,
}
"""Each invariant's name and the query that finds what breaks it."""

_RECENT: Final = "t.created_at >= $2"

_OF_WHAT_CHANGED: Final = {
    "balances_equal_transfers": _balances_equal(f"""
    SELECT account_id, sum(debits_pending) AS debits_pending, sum(debits_posted) AS debits_posted,
           sum(credits_pending) AS credits_pending, sum(credits_posted) AS credits_posted
    FROM (
        SELECT account_id, debits_pending_minor AS debits_pending,
               debits_posted_minor AS debits_posted, credits_pending_minor AS credits_pending,
               credits_posted_minor AS credits_posted
        FROM ledger_verified_balances
        UNION ALL {sums_of_entries(_RECENT)}
    ) AS both_sums GROUP BY account_id"""),
    "holds_settled_once": _holds_settled_once(_RECENT),
    "open_holds_are_unsettled": _open_holds_are_unsettled(
        "held.id IN (SELECT id FROM ledger_transfers t WHERE t.created_at >= $2"
        " UNION ALL SELECT transfer_id FROM ledger_open_holds)"
    ),
    "transfers_match_accounts": _transfers_match_accounts(_RECENT),
}
"""The same of the entries since `$2`; a hold is settled by one entry, as its index has it."""
