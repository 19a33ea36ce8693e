"""Lists of the API's, a page at a time: by which options, and how one is printed."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from perdure.cli.chain import with_chains
from perdure.cli.output import OutputFormat, print_json_list, print_table, tell_of_more
from perdure.operations.model import Status

StatusFilter = Annotated[Status | None, typer.Option(help="Only those in this status.")]
CustomerFilter = Annotated[str | None, typer.Option(help="Only this customer's.")]
ReferenceFilter = Annotated[str | None, typer.Option(help="Only with this reference.")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]
StartingAfter = Annotated[str | None, typer.Option(help="The last id of the page before.")]


def print_page(
    page: tuple[Sequence[Any], bool],
    output: OutputFormat,
    columns: Sequence[str],
    row: Callable[[Any], Sequence[object]],
    *,
    cursor: str | None = "id",
    chains: bool = False,
) -> None:
    """Print a page, and how the next one is had.

    Args:
        page: The items as the API shows them, and whether there are more.
        row: Returns an item's cells.
        cursor: The field that the next page begins after; None: there is no option for it.
        chains: They are operations, of which a column tells what became of them.
    """
    found, has_more = page
    if output == OutputFormat.JSON:
        print_json_list(found, has_more=has_more)
        return
    rows = [row(item) for item in found]
    print_table(*(with_chains(columns, rows, found) if chains else (columns, rows)))
    if has_more and cursor is not None:
        tell_of_more(found[-1][cursor])
