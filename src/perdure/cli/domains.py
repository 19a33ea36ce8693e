"""`perdure domains`: what is known of domains, and taking that in from a file."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.cli.input_file import open_input
from perdure.cli.output import Output, OutputFormat, out, print_error, print_fields, print_json
from perdure.cli.session import open_session, run
from perdure.core.errors import NotFound
from perdure.core.tlds import longest_ending
from perdure.renewals import domains
from perdure.renewals.domain_file import DomainRow, RejectedRow, busy, read_domains

app = typer.Typer(help="Domains, as their team knows them.", no_args_is_help=True)

_BATCH_ROWS: Final = 1000
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
    rejected: list[RejectedRow] = field(default_factory=list)

    def reject(self, row: RejectedRow) -> None:
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
    summary = run(_import(path))
    if output == OutputFormat.JSON:
        print_json(asdict(summary))
    else:
        out.print(
            f"{summary.added} domains added, {summary.changed} changed, {summary.unchanged} as they"
            " were."
        )
        for row in summary.rejected:
            out.print(f"line {row.line}: {row.name}: {row.message}")
    if summary.rejected_count:
        print_error(f"{summary.rejected_count} rows were rejected.")
        raise typer.Exit(1)


async def _import(path: Path) -> ImportSummary:
    summary = ImportSummary()
    with open_input(path) as file:
        async with open_session() as platform, _batches(platform, summary) as batches:
            for row in read_domains(file):
                if isinstance(row, RejectedRow):
                    summary.reject(row)
                else:
                    await batches.add(row)
    return summary


@asynccontextmanager
async def _batches(platform: Platform, summary: ImportSummary) -> AsyncIterator["_Batches"]:
    """Write rows batch by batch; what is left, at the end."""
    batches = _Batches(platform, summary)
    yield batches
    await batches.write()


class _Batches:
    """Rows that are written in one commit: each domain once, so that a later row wins."""

    def __init__(self, platform: Platform, summary: ImportSummary) -> None:
        self._platform = platform
        self._summary = summary
        self._rows: dict[str, DomainRow] = {}

    async def add(self, row: DomainRow) -> None:
        """Take a row in, and write the batch that it makes full."""
        if row.domain.name in self._rows or len(self._rows) >= _BATCH_ROWS:
            await self.write()
        self._rows[row.domain.name] = row

    async def write(self) -> None:
        """Write what was taken in."""
        rows, self._rows = self._rows, {}
        async with self._platform.operations.transaction() as connection:
            done = await domains.import_many(connection, [row.domain for row in rows.values()])
        self._summary.added += done.added
        self._summary.changed += done.changed
        self._summary.unchanged += done.unchanged
        self._reject_busy([rows[name] for name in done.busy])

    def _reject_busy(self, rows: Sequence[DomainRow]) -> None:
        for row in rows:
            self._summary.reject(busy(row))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="example.info", metavar="NAME")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what is known of a domain, and what renews it now."""
    found = run(_show(name))
    if output == OutputFormat.JSON:
        print_json({"object": "domain", **found})
        return
    print_fields(found)


async def _show(name: str) -> dict[str, Any]:
    async with open_session() as platform:
        found = await domains.find(platform.pool, name)
    if found is None:
        raise NotFound(f"There is no domain {name}.", code="domain_not_found", param="name")
    # By the registries there are now; None: none has it.
    tld = longest_ending(found.name, platform.settings.tlds)
    return asdict(found) | {"tld": tld, "expires_on": found.expires_on.isoformat()}
