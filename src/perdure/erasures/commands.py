"""`perdure erasures`: nobody can tell any more who a customer was."""

from operator import itemgetter
from typing import Annotated

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, out, print_json, read_time
from perdure.cli.pages import Limit, StartingAfter, StatusFilter, print_page
from perdure.erasures.contracts import KIND

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    customer: Annotated[str, typer.Argument(help="Your own id of the customer.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on the trail.")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Erase a customer. What is emptied cannot be had back."""
    view = open_api().post(f"/v1/customers/{part(customer)}/erasure", {"reason": reason})
    if output == OutputFormat.JSON:
        print_json(view)
    else:
        out.print(f"{view['id']} ({view['status']}); `perdure operations show` tells how it goes.")


@app.command("list")
def list_all(
    status: StatusFilter = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List erasures, newest first."""
    page = open_api().list(
        "/v1/operations", limit=limit, kind=KIND, status=status, starting_after=starting_after
    )
    columns = ("ID", "STATUS", "CUSTOMER", "CREATED")
    cells = itemgetter("id", "status", "created_at")

    def row(view: dict[str, object]) -> tuple[object, ...]:
        erasure_id, stands, created_at = cells(view)
        request = view["request"]
        assert isinstance(request, dict)
        return (erasure_id, stands, request["customer_id"], read_time(str(created_at)))

    print_page(page, output, columns, row)
