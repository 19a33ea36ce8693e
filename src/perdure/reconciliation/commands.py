"""`perdure reconciliations`: a day's books compared, and its report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, out, print_fields, print_json, read_time
from perdure.cli.pages import Limit, StartingAfter, print_page
from perdure.core.ids import check_id
from perdure.reconciliation.contracts import ID_PREFIX

app = typer.Typer(help="Our books compared with banks' and providers'.", no_args_is_help=True)

_PATH: Final = "/v1/reconciliations"
_ID = Annotated[str, typer.Argument(help="Its id, rec_….", metavar="ID")]
_REPORTS: Final = {".html": "report.html", ".csv": "report.csv"}


@app.command("create")
def create(
    day: Annotated[str, typer.Argument(help="The day, in UTC.", metavar="DATE")],
    again: Annotated[
        bool, typer.Option(help="Once more, where the day's last one has ended.")
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have the books of a day compared; `perdure operations watch` follows it to its end."""
    _show(open_api().post(_PATH, {"day": day, "again": again}), output)


@app.command("get")
@app.command("show", hidden=True)
def get(reconciliation_id: _ID, output: Output = OutputFormat.TEXT) -> None:
    """Show a reconciliation, and what it has come to so far."""
    _show(open_api().get(_path_of(reconciliation_id)), output)


@app.command("list")
def list_reconciliations(
    *,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List reconciliations, newest first."""
    page = open_api().list(_PATH, limit=limit, starting_after=starting_after)
    columns = ("ID", "DAY", "STATUS", "#ACCOUNTS", "#MATCHED", "#BREAKS", "#NEW", "FINISHED")
    print_page(page, output, columns, _row)


@app.command("report")
def report(
    reconciliation_id: _ID,
    path: Annotated[Path, typer.Argument(help="Where to; .html or .csv.", metavar="FILE")],
) -> None:
    """Write the report to a file: HTML that prints, or CSV that no spreadsheet runs."""
    if path.suffix not in _REPORTS:
        raise typer.BadParameter("Give a file that ends with .html or .csv.")
    content = open_api().read(f"{_path_of(reconciliation_id)}/{_REPORTS[path.suffix]}")
    path.write_bytes(content)
    out.print(f"Written to {path}.")


def _path_of(reconciliation_id: str) -> str:
    return f"{_PATH}/{part(check_id(reconciliation_id, ID_PREFIX))}"


def _row(view: Mapping[str, Any]) -> tuple[object, ...]:
    summary = view["summary"]
    return (
        view["id"],
        view["day"],
        view["status"],
        summary["accounts"],
        summary["matched_entries"],
        sum(summary["breaks"].values()),
        summary["new"],
        read_time(view["finished_at"]),
    )


def _show(view: Mapping[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(view)
        return
    summary, failure = view["summary"], view["failure"]
    print_fields(
        {
            "id": view["id"],
            "day": view["day"],
            "status": view["status"],
            "accounts": summary["accounts"],
            "entries matched": summary["matched_entries"],
            "lines matched": summary["matched_lines"],
            "waiting for statements": summary["waiting"],
            **{name.replace("_", " "): count for name, count in summary["breaks"].items()},
            "new breaks": summary["new"],
            "breaks seen since": summary["seen"],
            "accounts left out": len(summary["left_out"]),
            "failure": f"{failure['code']}: {failure['message']}" if failure else None,
            "finished": read_time(view["finished_at"]),
        }
    )
