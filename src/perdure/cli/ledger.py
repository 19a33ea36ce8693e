"""`perdure ledger`: accounts, deposits, balances and transfers."""

from operator import itemgetter
from typing import Annotated, Any

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.ledger_export import export
from perdure.cli.output import (
    Output,
    OutputFormat,
    print_fields,
    print_json,
    read_time,
)
from perdure.cli.pages import CustomerFilter, Limit, StartingAfter, print_page
from perdure.cli.values import AmountArgument
from perdure.core.money import format_amount

app = typer.Typer(no_args_is_help=True)
app.command()(export)

AccountId = Annotated[str, typer.Argument(help="The account's id, acc_….", metavar="ACCOUNT")]


@app.command("open")
def open_account(
    customer: Annotated[str, typer.Argument(help="Whose account it is.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217 code.")],
    name: Annotated[str, typer.Option(help="For people.")] = "Wallet",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Open an account for a customer."""
    body = {"customer_id": customer, "currency": currency, "name": name}
    _show(open_api().post("/v1/accounts", body), output)


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
    api, path = open_api(), f"/v1/accounts/{part(account)}"
    body = {"amount_minor": amount_minor, "currency": api.get(path)["currency"]}
    if reference is not None:
        body["reference"] = reference
    _show(api.post(f"{path}/deposits", body), output)


def _show(view: dict[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(view)
        return
    fields = {name: value for name, value in view.items() if name != "object"}
    print_fields(fields | {"created_at": read_time(view["created_at"])})


@app.command()
def balance(account: AccountId, output: Output = OutputFormat.TEXT) -> None:
    """Show what is on an account."""
    view = open_api().get(f"/v1/accounts/{part(account)}/balance")
    if output == OutputFormat.JSON:
        print_json(view)
        return
    amounts = {"posted": "posted_minor", "held": "pending_minor", "available": "available_minor"}
    print_fields(
        {"account": view["account_id"]}
        | {name: format_amount(view[field], view["currency"]) for name, field in amounts.items()}
    )


@app.command()
def accounts(
    customer: CustomerFilter = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List accounts, newest first."""
    page = open_api().list(
        "/v1/accounts", limit=limit, customer_id=customer, starting_after=starting_after
    )
    columns = ("ID", "CUSTOMER", "NAME", "KIND", "CURRENCY", "STATUS")
    fields = ("id", "customer_id", "name", "kind", "currency", "status")
    print_page(page, output, columns, itemgetter(*fields))


@app.command()
def transfers(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only this operation's.")] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the transfers of an account, of an operation, or of both, newest first."""
    page = open_api().list(
        "/v1/ledger/transfers",
        limit=limit,
        account_id=account,
        operation_id=operation,
        starting_after=starting_after,
    )
    columns = ("ID", "KIND", "CODE", "#AMOUNT", "DEBIT", "CREDIT", "OPERATION")
    print_page(page, output, columns, _transfer_row)


def _transfer_row(view: dict[str, Any]) -> tuple[object, ...]:
    return (
        view["id"],
        view["kind"],
        view["code"],
        format_amount(view["amount_minor"], view["currency"]),
        view["debit_account_id"],
        view["credit_account_id"],
        view["operation_id"],
    )
