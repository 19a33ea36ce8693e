"""What was debited and credited in all: the sums by which books are seen to agree."""

from dataclasses import dataclass
from typing import Final

from perdure.storage.pool import Connection, Pool

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


_LINES: Final = f"""
SELECT currency, coalesce(house, '{CUSTOMERS}') AS account, kind,
       sum(debits_posted_minor)::bigint AS debits_minor,
       sum(credits_posted_minor)::bigint AS credits_minor
FROM (
    SELECT account.currency, account.kind, debits_posted_minor, credits_posted_minor,
           CASE WHEN account.customer_id IS NULL THEN account.id END AS house
    FROM ledger_balances AS balance JOIN ledger_accounts AS account ON account.id = account_id
) AS entry
GROUP BY currency, house, kind
ORDER BY currency, house NULLS LAST
"""


async def trial_balance(connection: Connection | Pool) -> list[TrialBalanceLine]:
    """Return a line for each account of the house, and one for customers', of each currency.

    One statement reads it, so debits and credits of a currency are equal whenever it is asked for.
    """
    return [TrialBalanceLine(**dict(row)) for row in await connection.fetch(_LINES)]
