"""The accounts that the benches pay from."""

from collections.abc import Sequence

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.storage.pool import Connection, Pool, transaction


async def open_accounts(
    pool: Pool,
    ledger: LedgerStore[Connection],
    customer_ids: Sequence[str],
    amount_minor: int,
    currency: str,
) -> list[str]:
    """Open an account for each customer, with so much on it; returns their ids."""
    account_ids = [new_id(ACCOUNT) for _ in customer_ids]
    async with transaction(pool) as connection:
        await ensure_system_accounts(ledger, connection, [currency])
        for customer_id, account_id in zip(customer_ids, account_ids, strict=True):
            await ledger.open_account(
                connection,
                NewAccount(
                    id=account_id,
                    name="Wallet",
                    kind=AccountKind.LIABILITY,
                    currency=currency,
                    customer_id=customer_id,
                ),
            )
            await ledger.post(
                connection,
                NewTransfer(
                    id=new_id(TRANSFER),
                    debit_account_id=system_account_id(SystemAccount.BANK, currency),
                    credit_account_id=account_id,
                    amount_minor=amount_minor,
                    currency=currency,
                    code="deposit",
                ),
            )
    return account_ids
