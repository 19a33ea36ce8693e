"""`perdure orders`, `perdure books`, `perdure instruments`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    read_time,
    tell_of_more,
)

orders = typer.Typer(no_args_is_help=True, help="Orders to buy and sell assets.")
books = typer.Typer(no_args_is_help=True, help="What is offered of each asset.")
instruments = typer.Typer(no_args_is_help=True, help="What each asset is traded by.")

OrderId = Annotated[str, typer.Argument(help="The order's id, as `perdure orders list` has it.")]
Asset = Annotated[str, typer.Argument(help="The asset, as `perdure instruments list` has it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with it.")]
Price = Annotated[int, typer.Option("--price", help="Of one lot, in minor units.")]
Quantity = Annotated[int, typer.Option("--quantity", help="In lots, with what was filled.")]


@orders.command()
def place(
    *,
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    asset: Asset,
    quantity: Quantity,
    price: Price,
    customer: Annotated[str, typer.Option(help="Whose order it is.")],
    account: Annotated[str, typer.Option(help="The customer's account.")],
    time_in_force: Annotated[str, typer.Option(help="gtc, gtd, ioc or fok.")] = "gtc",
    post_only: Annotated[
        bool, typer.Option("--post-only", help="Refused where it would be filled at once.")
    ] = False,
    expires_at: Annotated[
        str | None, typer.Option(help="Of gtd: until when, as 2030-01-31T12:00:00Z.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Your own name for it.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Place an order, and say how it stands once it is in its book."""
    body: dict[str, object] = {
        "customer_id": customer,
        "account_id": account,
        "asset": asset,
        "side": side,
        "price_minor": price,
        "quantity_lots": quantity,
        "time_in_force": time_in_force,
        "post_only": post_only,
        "expires_at": expires_at,
        "reference": reference,
    }
    given = {name: value for name, value in body.items() if value is not None}
    _show(open_api().post("/v1/orders", given), output)


@orders.command()
def get(order_id: OrderId, output: Output = OutputFormat.TEXT) -> None:
    """Show an order."""
    _show(open_api().get(f"/v1/orders/{part(order_id)}"), output)


@orders.command("list")
def list_orders(
    *,
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only of this asset.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those in their books.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 20,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List orders, newest first."""
    found = open_api().get(
        "/v1/orders",
        customer_id=customer,
        asset=asset,
        open="true" if only_open else None,
        limit=limit,
    )
    data = found["data"]
    if output == OutputFormat.JSON:
        print_json_list(data, has_more=found["has_more"])
        return
    print_table(
        ("ID", "STATUS", "ASSET", "SIDE", "#PRICE", "#QUANTITY", "#FILLED", "CREATED"),
        [
            (
                order["id"],
                order["status"],
                order["asset"],
                order["side"],
                order["price_minor"],
                order["quantity_lots"],
                order["filled_lots"],
                read_time(order["created_at"]),
            )
            for order in data
        ],
    )
    if found["has_more"]:
        tell_of_more(data[-1]["id"])


@orders.command()
def cancel(order_id: OrderId, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have what is left of an order not be filled."""
    _show(open_api().post(f"/v1/orders/{part(order_id)}/cancel", {"reason": reason}), output)


@orders.command()
def replace(
    order_id: OrderId, quantity: Quantity, price: Price, output: Output = OutputFormat.TEXT
) -> None:
    """Give an open order another price and quantity, in one step."""
    body = {"price_minor": price, "quantity_lots": quantity}
    _show(open_api().post(f"/v1/orders/{part(order_id)}/replace", body), output)


def _show(found: Mapping[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(found)
        return
    times = ("expires_at", "created_at", "updated_at")
    told = {name: value for name, value in found.items() if name != "object"}
    print_fields(told | {name: read_time(told[name]) for name in times if name in told})


@books.command("get")
def get_book(
    asset: Asset,
    levels: Annotated[int, typer.Option(min=1, max=100, help="Of each side at most.")] = 10,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what is bought and sold of an asset at each price."""
    book = open_api().get(f"/v1/books/{part(asset)}", levels=levels)
    if output == OutputFormat.JSON:
        print_json(book)
        return
    print_table(
        ("SIDE", "#PRICE", "#QUANTITY", "#ORDERS"),
        [
            (side, level["price_minor"], level["quantity_lots"], level["orders"])
            for side, found in (("sell", book["asks"][::-1]), ("buy", book["bids"]))
            for level in found
        ],
    )


@instruments.command("list")
def list_instruments(output: Output = OutputFormat.TEXT) -> None:
    """List all assets that are traded."""
    found = open_api().get("/v1/instruments")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    print_table(
        ("ASSET", "CURRENCY", "#FEE BP", "#TICK", "#LOWEST", "#HIGHEST", "#LARGEST", "HALTED"),
        [
            (
                one["asset"],
                one["currency"],
                one["fee_basis_points"],
                one["tick_minor"],
                one["price_low_minor"],
                one["price_high_minor"],
                one["quantity_max_lots"],
                "yes" if one["is_halted"] else "no",
            )
            for one in found
        ],
    )


@instruments.command("set")
def set_instrument(
    *,
    asset: Asset,
    currency: Annotated[str, typer.Option(help="What it is paid in; it never changes.")],
    fee: Annotated[int, typer.Option(help="What each side pays, in basis points.")],
    reason: Why,
    tick: Annotated[int | None, typer.Option(help="Prices are multiples of it.")] = None,
    lowest: Annotated[int | None, typer.Option(help="The lowest price.")] = None,
    highest: Annotated[int | None, typer.Option(help="The highest price.")] = None,
    largest: Annotated[int | None, typer.Option(help="The largest order, in lots.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have an asset be traded, or by other rules."""
    body = {
        "currency": currency,
        "fee_basis_points": fee,
        "tick_minor": tick,
        "price_low_minor": lowest,
        "price_high_minor": highest,
        "quantity_max_lots": largest,
        "reason": reason,
    }
    given = {name: value for name, value in body.items() if value is not None}
    _show(open_api().put(f"/v1/instruments/{part(asset)}", given), output)


@instruments.command()
def halt(asset: Asset, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Halt trading in an asset: orders can still be cancelled."""
    _show(open_api().post(f"/v1/instruments/{part(asset)}/halt", {"reason": reason}), output)


@instruments.command()
def resume(asset: Asset, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have trading in an asset go on."""
    _show(open_api().post(f"/v1/instruments/{part(asset)}/resume", {"reason": reason}), output)
