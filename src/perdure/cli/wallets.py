"""Customers' accounts as `up`, the demos and the benchmarks make them, on the database itself."""

from perdure.api.account_schemas import AccountView, DepositBody, DepositView
from perdure.api.deposits import record_deposit
from perdure.bootstrap import Platform
from perdure.cli.session import actor
from perdure.core.ids import ACCOUNT, new_id
from perdure.ledger.chart import ensure_system_accounts
from perdure.ledger.model import AccountKind, NewAccount


async def open_customer_account(
    platform: Platform, customer_id: str, currency: str, name: str
) -> AccountView:
    """Open an account for a customer, and the house's own in its currency."""
    async with platform.operations.transaction() as connection:
        await ensure_system_accounts(platform.ledger, connection, [currency])
        opened = await platform.ledger.open_account(
            connection,
            NewAccount(
                id=new_id(ACCOUNT),
                name=name,
                kind=AccountKind.LIABILITY,
                currency=currency,
                customer_id=customer_id,
            ),
        )
        return AccountView.of(opened.account)


async def pay_in(
    platform: Platform, account_id: str, amount_minor: int, reference: str
) -> DepositView:
    """Record a deposit in the account's currency; the reference makes it one."""
    async with platform.operations.transaction() as connection:
        account = await platform.ledger.get_account(connection, account_id)
        body = DepositBody(
            amount_minor=amount_minor, currency=account.currency, reference=reference
        )
        return await record_deposit(connection, platform.ledger, account, body, actor=actor())
