"""`perdure bank-items`: what customers have linked, and what happened on it."""

from typing import Annotated, Final

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_fields,
    print_json,
    read_time,
)
from perdure.cli.pages import CustomerFilter, Limit, StartingAfter, print_page
from perdure.core.money import format_amount

app = typer.Typer(
    help="Customers' accounts at other banks, and what happened on them.", no_args_is_help=True
)

_PATH: Final = "/v1/bank-items"
_Id = Annotated[str, typer.Argument(help="Its id, bki_….", metavar="ID")]
_Customer = Annotated[str, typer.Option(help="Whose it is.")]


@app.command("link-token")
def link_token(customer: _Customer, output: Output = OutputFormat.TEXT) -> None:
    """Make a token with which a customer opens the aggregator's dialogue."""
    made = open_api().post(f"{_PATH}/link-token", {"customer_id": customer})
    if output == OutputFormat.JSON:
        print_json(made)
    else:
        out.print(made["token"])


@app.command()
def link(
    public_token: Annotated[
        str, typer.Argument(help="What the dialogue gave.", metavar="PUBLIC_TOKEN")
    ],
    customer: _Customer,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Keep what a customer has linked; its first sync begins."""
    made = open_api().post(_PATH, {"customer_id": customer, "public_token": public_token})
    if output == OutputFormat.JSON:
        print_json(made)
    else:
        out.print(f"{made['id']} is linked; {made['syncing']} reads it.")


@app.command("list")
def list_items(
    customer: CustomerFilter = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List bank items, newest first."""
    page = open_api().list(_PATH, limit=limit, customer_id=customer, starting_after=starting_after)
    print_page(
        page,
        output,
        ("ID", "CUSTOMER", "INSTITUTION", "STATUS", "READ"),
        lambda one: (
            one["id"],
            one["customer_id"],
            one["institution"],
            one["status"],
            read_time(one["synced_at"]),
        ),
    )


@app.command()
def get(item: _Id, output: Output = OutputFormat.TEXT) -> None:
    """Show a bank item, with its accounts."""
    found = open_api().get(f"{_PATH}/{part(item)}")
    if output == OutputFormat.JSON:
        print_json(found)
        return
    shown = {name: value for name, value in found.items() if name not in ("object", "accounts")}
    times = {name: read_time(found[name]) for name in ("synced_at", "created_at", "updated_at")}
    accounts = "; ".join(
        f"{one['name']} …{one['mask'] or one['id']} ({one['kind']})" for one in found["accounts"]
    )
    print_fields(shown | times | {"accounts": accounts or None})


@app.command()
def transactions(
    item: _Id,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List what happened on a bank item's accounts, the latest first."""
    path = f"{_PATH}/{part(item)}/transactions"
    page = open_api().list(path, limit=limit, starting_after=starting_after)
    print_page(
        page,
        output,
        ("DAY", "#AMOUNT", "MERCHANT", "CATEGORY", "PENDING", "STANDS OUT", "ID"),
        lambda one: (
            one["booked_on"],
            # As people see it: what leaves the account is less than nothing.
            format_amount(-one["amount_minor"], one["currency"]),
            one["merchant"] or one["name"],
            one["category"]["detailed"] if one["category"] else "",
            "pending" if one["pending"] else "",
            "; ".join(flag["reason"] for flag in one["flags"]),
            one["id"],
        ),
    )


@app.command()
def unlink(item: _Id, output: Output = OutputFormat.TEXT) -> None:
    """Have nothing of a bank item be read any more; what was read stays."""
    done = open_api().delete(f"{_PATH}/{part(item)}")
    if output == OutputFormat.JSON:
        print_json(done)
    else:
        out.print(f"{done['id']} is {done['status']}.")
