"""`perdure customers`: who they are."""

from typing import Annotated

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, print_fields, print_json, read_time

app = typer.Typer(no_args_is_help=True)


@app.callback()
def customers() -> None:
    """Customers' profiles."""


@app.command()
def get(
    customer: Annotated[str, typer.Argument(help="Your own id of the customer.")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show a customer's profile."""
    view = open_api().get(f"/v1/customers/{part(customer)}")
    if output == OutputFormat.JSON:
        print_json(view)
        return
    fields = {name: value for name, value in view.items() if name != "object"}
    print_fields(fields | {"created_at": read_time(view["created_at"])})
