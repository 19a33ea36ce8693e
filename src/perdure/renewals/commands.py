"""`perdure domains`: what is known of domains, and taking that in from a file."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.cli.api_client import ApiClient, open_api, part
from perdure.cli.input_file import open_input
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_error,
    print_fields,
    print_json,
    read_time,
)

app = typer.Typer(help="Domains, as their team knows them.", no_args_is_help=True)

_BATCH_ROWS: Final = 400
"""However long its fields are, such a batch is no larger than the API takes."""
_REJECTED_SHOWN_MAX: Final = 20


@dataclass(slots=True)
class ImportSummary:
    """What became of a file's rows.

    Args:
        rejected: The first of those that were not taken in.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected_count: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, row: dict[str, Any]) -> None:
        """Count a row that was not taken in."""
        self.rejected_count += 1
        if len(self.rejected) < _REJECTED_SHOWN_MAX:
            self.rejected.append(row)


@app.command("import")
def import_file(
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns name, customer_id, expires_on.", metavar="FILE.csv"
        ),
    ],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Take in what a file says of domains; ends with 1 if rows were rejected.

    The same file again changes nothing. A domain that is being renewed is left as it is.
    """
    summary = _import(path)
    if output == OutputFormat.JSON:
        print_json(asdict(summary))
    else:
        out.print(
            f"{summary.added} domains added, {summary.changed} changed, {summary.unchanged} as they"
            " were."
        )
        for row in summary.rejected:
            out.print(f"line {row['line']}: {row['name']}: {row['message']}")
    if summary.rejected_count:
        print_error(f"{summary.rejected_count} rows were rejected.")
        raise typer.Exit(1)


def _import(path: Path) -> ImportSummary:
    # What reads the file is of no use to the other commands.
    from perdure.renewals.domain_file import RejectedRow, read_domains  # noqa: PLC0415

    summary = ImportSummary()
    batches = _Batches(open_api(), summary)
    with open_input(path) as file:
        for row in read_domains(file):
            if isinstance(row, RejectedRow):
                summary.reject(asdict(row))
            else:
                domain = asdict(row.domain)
                expires_on = row.domain.expires_on.isoformat()
                batches.add({"line": row.line} | domain | {"expires_on": expires_on})
        batches.write()
    return summary


class _Batches:
    """Rows that are written in one commit: each domain once, so that a later row wins."""

    def __init__(self, api: ApiClient, summary: ImportSummary) -> None:
        self._api = api
        self._summary = summary
        self._rows: dict[str, dict[str, Any]] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Take a row in, and write the batch that it makes full."""
        if row["name"] in self._rows or len(self._rows) >= _BATCH_ROWS:
            self.write()
        self._rows[row["name"]] = row

    def write(self) -> None:
        """Have the API write what was taken in."""
        rows, self._rows = list(self._rows.values()), {}
        if not rows:
            return
        done = self._api.post("/v1/domains/import", {"rows": rows})
        self._summary.added += done["added"]
        self._summary.changed += done["changed"]
        self._summary.unchanged += done["unchanged"]
        for row in done["rejected"]:
            self._summary.reject(row)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="example.info", metavar="NAME")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what is known of a domain, and what renews it now."""
    found = open_api().get(f"/v1/domains/{part(name)}")
    if output == OutputFormat.JSON:
        print_json(found)
        return
    fields = {name: value for name, value in found.items() if name != "object"}
    print_fields(fields | {"updated_at": read_time(found["updated_at"])})
