"""What was debited and credited in all: the sums by which books are seen to agree."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perdure.ledger.verify import BalancesElsewhere
from perdure.storage.pool import Connection, Pool, whole_tables

CUSTOMERS: Final = "customers"
"""All customers' accounts together."""


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """One of the house's accounts, or all customers' of a currency.

    Args:
        account: The account's id, or `customers`.
        debits_minor, credits_minor: Posted, holds not counted.
    """

    currency: str
    account: str
    kind: str
    debits_minor: int
    credits_minor: int


_LINES: Final = """
SELECT currency, coalesce(house, 'customers') AS account, kind,
       sum(debits_posted_minor)::bigint AS debits_minor,
       sum(credits_posted_minor)::bigint AS credits_minor
FROM (
    SELECT account.currency, account.kind, debits_posted_minor, credits_posted_minor,
           CASE WHEN account.customer_id IS NULL THEN account.id END AS house
    FROM {balances} AS balance JOIN ledger_accounts AS account ON account.id = account_id
) AS entry
GROUP BY currency, house, kind
ORDER BY currency, house NULLS LAST
"""


async def trial_balance(
    pool: Pool, elsewhere: BalancesElsewhere | None = None
) -> list[TrialBalanceLine]:
    """Return a line for each account of the house, and one for customers', of each currency.

    It is of one moment, so debits and credits of a currency are equal whenever it is asked for.

    Args:
        elsewhere: Shows the balances, where they are not in our database.
    """
    if elsewhere is None:
        return await _lines(pool, "ledger_balances")
    lines: list[TrialBalanceLine] = []
    async with whole_tables(pool) as connection:
        for at_rest in (False, True):
            lines = await _lines(connection, await elsewhere.show(connection, at_rest=at_rest))
            if is_equal(lines):
                break
    return lines


async def _lines(connection: Connection | Pool, balances: str) -> list[TrialBalanceLine]:
    rows = await connection.fetch(_LINES.format(balances=balances))
    return [TrialBalanceLine(**dict(row)) for row in rows]


def is_equal(lines: Iterable[TrialBalanceLine]) -> bool:
    """Whether debits and credits of each currency are equal."""
    excess: Counter[str] = Counter()
    for line in lines:
        excess[line.currency] += line.debits_minor - line.credits_minor
    return not any(excess.values())
