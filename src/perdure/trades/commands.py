"""`perdure trades`."""

from typing import Annotated

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, print_fields, print_json, read_time
from perdure.cli.pages import CustomerFilter, Limit, StartingAfter, StatusFilter, print_page
from perdure.core.ids import check_id
from perdure.core.money import format_amount
from perdure.trades.contracts import ID_PREFIX

trades = typer.Typer(no_args_is_help=True, help="Trades: assets exchanged for money.")

_PATH = "/v1/trades"


@trades.command("list")
def list_trades(
    *,
    status: StatusFilter = None,
    customer: CustomerFilter = None,
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only of this asset.")] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List trades, newest first."""
    page = open_api().list(
        _PATH,
        limit=limit,
        status=status,
        customer_id=customer,
        account_id=account,
        asset=asset,
        starting_after=starting_after,
    )
    columns = ("ID", "STATUS", "ASSET", "#LOTS", "#PRICE", "#VALUE", "FAILURE", "CREATED")
    print_page(
        page,
        output,
        columns,
        lambda view: (
            view["id"],
            view["status"],
            view["asset"],
            view["quantity_lots"],
            format_amount(view["price_minor"], view["currency"]),
            format_amount(view["value_minor"], view["currency"]),
            view["failure"] and view["failure"]["code"],
            read_time(view["created_at"]),
        ),
    )


@trades.command("get")
@trades.command("show", hidden=True)
def get(
    trade_id: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show a trade."""
    view = open_api().get(f"{_PATH}/{part(check_id(trade_id, ID_PREFIX))}")
    if output == OutputFormat.JSON:
        print_json(view)
        return
    currency, failure = view["currency"], view["failure"]
    fields = {
        "id": view["id"],
        "status": view["status"],
        "asset": view["asset"],
        "lots": view["quantity_lots"],
        "price": format_amount(view["price_minor"], currency),
        "value": format_amount(view["value_minor"], currency),
    }
    for name, verb in (("buyer", "pays"), ("seller", "is paid")):
        side = view[name] or {}
        fields |= {name: side.get("customer_id"), f"{name}'s order": side.get("order_id")}
        if side:
            fields |= {
                f"{name}'s account": side["account_id"],
                f"{name}'s fee": format_amount(side["fee_minor"], currency),
                f"{name} {verb}": format_amount(side["amount_minor"], currency),
            }
    print_fields(
        fields
        | {
            "failure": f"{failure['code']}: {failure['message']}" if failure else None,
            "gear": view["gear"],
            "created": read_time(view["created_at"]),
            "finished": read_time(view["finished_at"]),
        }
    )
