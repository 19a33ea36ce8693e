"""`perdure ledger`: accounts, deposits, balances and transfers."""

from typing import Annotated

import typer

from perdure.api.account_schemas import (
    AccountView,
    BalanceView,
    DepositBody,
    DepositView,
    LedgerTransferView,
)
from perdure.api.deposits import record_deposit
from perdure.bootstrap import Platform
from perdure.cli.output import (
    Output,
    OutputFormat,
    page_of,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    tell_of_more,
)
from perdure.cli.session import actor, open_session, run
from perdure.cli.values import AmountArgument
from perdure.core.ids import ACCOUNT, new_id
from perdure.core.money import check_currency, format_amount
from perdure.core.text import check_identifier, check_text
from perdure.ledger.chart import ensure_system_accounts
from perdure.ledger.model import AccountKind, NewAccount

app = typer.Typer(help="Accounts and their money.", no_args_is_help=True)

AccountId = Annotated[str, typer.Argument(help="The account's id, acc_….", metavar="ACCOUNT")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
StartingAfter = Annotated[str | None, typer.Option(help="The last id of the page before.")]


@app.command("open")
def open_account(
    customer: Annotated[str, typer.Argument(help="Whose account it is.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217 code.")],
    name: Annotated[str, typer.Option(help="For people.")] = "Wallet",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Open an account for a customer."""
    account = run(_open(customer, currency, name))
    if output == OutputFormat.JSON:
        print_json(account.model_dump(mode="json"))
        return
    print_fields(account.model_dump(exclude={"object"}))


async def _open(customer: str, currency: str, name: str) -> AccountView:
    async with open_session() as platform:
        return await open_customer_account(platform, customer, check_currency(currency), name)


async def open_customer_account(
    platform: Platform, customer_id: str, currency: str, name: str, *, account_id: str | None = None
) -> AccountView:
    """Open an account for a customer, and the house's own in its currency."""
    async with platform.operations.transaction() as connection:
        await ensure_system_accounts(platform.ledger, connection, [currency])
        opened = await platform.ledger.open_account(
            connection,
            NewAccount(
                id=account_id or new_id(ACCOUNT),
                name=check_text("name", name),
                kind=AccountKind.LIABILITY,
                currency=currency,
                customer_id=check_identifier("customer", customer_id),
            ),
        )
        return AccountView.of(opened.account)


@app.command()
def deposit(
    account: AccountId,
    amount_minor: AmountArgument,
    reference: Annotated[
        str | None, typer.Option(help="Your name for it: the same again adds nothing.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Record money that arrived at the bank for an account."""
    view = run(_deposit(account, amount_minor, reference))
    if output == OutputFormat.JSON:
        print_json(view.model_dump(mode="json"))
        return
    print_fields(view.model_dump(exclude={"object"}))


async def _deposit(account_id: str, amount_minor: int, reference: str | None) -> DepositView:
    async with open_session() as platform:
        return await pay_in(platform, account_id, amount_minor, reference)


async def pay_in(
    platform: Platform, account_id: str, amount_minor: int, reference: str | None
) -> DepositView:
    """Record a deposit in the account's currency."""
    async with platform.operations.transaction() as connection:
        account = await platform.ledger.get_account(connection, account_id)
        body = DepositBody(
            amount_minor=amount_minor,
            currency=account.currency,
            reference=check_identifier("reference", reference) if reference is not None else None,
        )
        return await record_deposit(connection, platform.ledger, account, body, actor=actor())


@app.command()
def balance(account: AccountId, output: Output = OutputFormat.TEXT) -> None:
    """Show what is on an account."""
    view = run(_balance(account))
    if output == OutputFormat.JSON:
        print_json(view.model_dump(mode="json"))
        return
    print_fields(
        {
            "account": view.account_id,
            "posted": format_amount(view.posted_minor, view.currency),
            "held": format_amount(view.pending_minor, view.currency),
            "available": format_amount(view.available_minor, view.currency),
        }
    )


async def _balance(account_id: str) -> BalanceView:
    async with open_session() as platform, platform.pool.acquire() as connection:
        account = await platform.ledger.get_account(connection, account_id)
        return BalanceView.of(account, await platform.ledger.balance(connection, account_id))


@app.command()
def accounts(
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List accounts, newest first."""
    found, has_more = page_of(run(_accounts(customer, limit + 1, starting_after)), limit)
    if output == OutputFormat.JSON:
        print_json_list([one.model_dump(mode="json") for one in found], has_more=has_more)
        return
    print_table(
        ("ID", "CUSTOMER", "NAME", "KIND", "CURRENCY", "STATUS"),
        [(one.id, one.customer_id, one.name, one.kind, one.currency, one.status) for one in found],
    )
    if has_more:
        tell_of_more(found[-1].id)


async def _accounts(
    customer: str | None, limit: int, starting_after: str | None
) -> list[AccountView]:
    async with open_session() as platform, platform.pool.acquire() as connection:
        found = await platform.ledger.list_accounts(
            connection,
            customer_id=customer and check_identifier("customer", customer),
            cursor=starting_after,
            limit=limit,
        )
        return [AccountView.of(account) for account in found]


@app.command()
def transfers(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only this operation's.")] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the transfers of an account, of an operation, or of both, newest first."""
    asked = _transfers(account, operation, limit + 1, starting_after)
    found, has_more = page_of(run(asked), limit)
    if output == OutputFormat.JSON:
        print_json_list([one.model_dump(mode="json") for one in found], has_more=has_more)
        return
    print_table(
        ("ID", "KIND", "CODE", "#AMOUNT", "DEBIT", "CREDIT", "OPERATION"),
        [
            (
                transfer.id,
                transfer.kind,
                transfer.code,
                format_amount(transfer.amount_minor, transfer.currency),
                transfer.debit_account_id,
                transfer.credit_account_id,
                transfer.operation_id,
            )
            for transfer in found
        ],
    )
    if has_more:
        tell_of_more(found[-1].id)


async def _transfers(
    account: str | None, operation: str | None, limit: int, starting_after: str | None
) -> list[LedgerTransferView]:
    async with open_session() as platform, platform.pool.acquire() as connection:
        found = await platform.ledger.list_transfers(
            connection,
            account_id=account,
            operation_id=operation,
            cursor=starting_after,
            limit=limit,
        )
        return [LedgerTransferView.of(transfer) for transfer in found]
