"""TigerBeetle's balances in a table of the moment, for `verify` and the trial balance."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import tigerbeetle as tb

from perdure.ledger import statements_tigerbeetle as statements
from perdure.ledger.rows import account_of
from perdure.ledger.tigerbeetle_client import TigerBeetle
from perdure.ledger.tigerbeetle_ids import Numbers
from perdure.ledger.tigerbeetle_owed import RESERVED, OwedTransfers
from perdure.ledger.tigerbeetle_placing import empty_balances
from perdure.storage.pool import Connection

_PAGE: Final = 5000
_AHEAD_NS: Final = 3600 * 10**9
"""TigerBeetle's clock need not be ours."""


class TigerBeetleBalances:
    """What `BalancesElsewhere` asks for."""

    def __init__(self, tigerbeetle: TigerBeetle, numbers: Numbers, owed: OwedTransfers) -> None:
        self._tigerbeetle = tigerbeetle
        self._numbers = numbers
        self._owed = owed

    async def show(self, connection: Connection, *, at_rest: bool) -> str:
        """Return the table that has them; see `BalancesElsewhere.show`."""
        if at_rest:
            await connection.execute(statements.STOP_WRITERS)
        await connection.execute(statements.DROP_SHOWN)
        await connection.execute(statements.MAKE_SHOWN)
        uncommitted = await self._uncommitted(connection)
        while True:
            await self._copy(connection, uncommitted)
            # Who is stopped before his commit may have reserved something while it was read.
            since = await self._uncommitted(connection)
            if not at_rest or since.keys() == uncommitted.keys():
                return statements.SHOWN
            await connection.execute(statements.EMPTY_SHOWN)
            uncommitted = since

    async def _copy(self, connection: Connection, uncommitted: Mapping[int, tb.Transfer]) -> None:
        debited, credited = Counter[int](), Counter[int]()
        for each in uncommitted.values():
            debited[each.debit_account_id] += each.amount
            credited[each.credit_account_id] += each.amount
        after = ""
        while rows := await connection.fetch(statements.ACCOUNTS_AFTER, after, _PAGE):
            accounts = [account_of(row) for row in rows]
            balances = await self._owed.balances(connection, empty_balances(accounts))
            records = []
            for account in accounts:
                balance, number = balances[account.id], self._numbers.account(account.id)
                records.append(
                    (
                        account.id,
                        0,
                        account.status,
                        balance.debits_pending_minor - debited[number],
                        balance.debits_posted_minor,
                        balance.credits_pending_minor - credited[number],
                        balance.credits_posted_minor,
                    )
                )
            await connection.copy_records_to_table(statements.SHOWN, records=records)
            after = rows[-1]["id"]

    async def _uncommitted(self, connection: Connection) -> dict[int, tb.Transfer]:
        """Return what is reserved there and in no commit of ours: it sets money aside for now."""
        after_ns = await connection.fetchval(statements.LOOKED_THROUGH) or 0
        found: dict[int, tb.Transfer] = {}
        while reserved := await self._tigerbeetle.query(
            namespace=self._numbers.namespace,
            mark=RESERVED,
            after_ns=after_ns,
            through_ns=time.time_ns() + _AHEAD_NS,
        ):
            ids = [UUID(int=each.id) for each in reserved]
            rows = await connection.fetch(statements.COUNTS_OR_IS_OWED, ids)
            counting = {row["id"].int for row in rows}
            found |= {each.id: each for each in reserved if each.id not in counting}
            after_ns = reserved[-1].timestamp
        given_back = await self._tigerbeetle.transfers(
            [self._numbers.give_back(each) for each in found]
        )
        return {
            number: each
            for number, each in found.items()
            if self._numbers.give_back(number) not in given_back
        }
