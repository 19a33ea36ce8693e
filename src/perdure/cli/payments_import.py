"""`perdure payments import`: a file of payments, to its outcomes."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from perdure.bootstrap import Platform
from perdure.cli.output import Output, OutputFormat, err, out, print_error, print_json, print_table
from perdure.cli.session import actor, open_session, run
from perdure.core.errors import InvalidInput
from perdure.operations.model import Status
from perdure.payments.import_file import read_rows
from perdure.payments.import_outcomes import (
    REJECTED,
    OutcomeSpool,
    RowOutcome,
    open_spool,
    write_report,
)
from perdure.payments.importing import PaymentImport

_REJECTED_SHOWN_MAX: Final = 20


@dataclass(slots=True)
class ImportSummary:
    """What became of a file's rows.

    Args:
        rejected: The first of those that did not become payments.
    """

    rows: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    rejected: list[RowOutcome] = field(default_factory=list)

    def count(self, outcome: RowOutcome) -> None:
        """Count a row."""
        self.rows += 1
        self.by_status[outcome.status] += 1
        if outcome.status == REJECTED and len(self.rejected) < _REJECTED_SHOWN_MAX:
            self.rejected.append(outcome)

    @property
    def is_complete(self) -> bool:
        """Whether every row became a payment that needs nobody."""
        return not self.by_status[REJECTED] and not self.by_status[Status.NEEDS_ATTENTION]


def import_file(
    path: Annotated[Path, typer.Argument(help="CSV with a header line.", metavar="FILE.csv")],
    wait: Annotated[bool, typer.Option(help="Wait for the outcomes.")] = True,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Rows that are taken in at a time.")
    ] = 16,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Import a file of payments; importing it again adds nothing, and reports the same.

    What became of each row is written to FILE.outcomes.csv. Ends with 1 when rows were rejected.
    """
    report = report_path(path)
    summary = run(_import(path, report, wait, concurrency))
    if output == OutputFormat.JSON:
        print_json(_as_json(summary, report))
    else:
        _print(summary, report, wait)
    if not summary.is_complete:
        raise typer.Exit(1)


def report_path(path: Path) -> Path:
    """Return where the outcomes of a file are written: beside it."""
    return path.with_name(f"{path.stem}.outcomes.csv")


async def _import(path: Path, report: Path, wait: bool, concurrency: int) -> ImportSummary:
    async with open_session() as platform:
        return await import_payments(
            platform, path, report, wait=wait, concurrency=concurrency, progress=progress_bars()
        )


def progress_bars() -> Progress:
    """Return bars on stderr; none where nobody watches."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )


async def import_payments(
    platform: Platform,
    path: Path,
    report: Path,
    *,
    wait: bool = True,
    concurrency: int = 16,
    progress: Progress,
) -> ImportSummary:
    """Take a file in, wait for its outcomes and write the report.

    Raises:
        InvalidInput: The file cannot be read, or its header is wrong.
        ProviderUnavailable: The database was away for too long.
    """
    summary = ImportSummary()
    importer = PaymentImport(
        platform.pool,
        platform.operations,
        platform.payments,
        actor=actor(),
        concurrency=concurrency,
    )
    with progress, open_spool(importer.statuses) as spool:
        rows = await _take_in(path, importer, spool, progress)
        if wait:
            finished = progress.add_task("finished", total=rows, unit="rows")
            await spool.wait(lambda settled: progress.update(finished, completed=settled))
        await write_report(spool.outcomes(), report, summary.count)
    return summary


async def _take_in(
    path: Path, importer: PaymentImport, spool: OutcomeSpool, progress: Progress
) -> int:
    rows = 0
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", param="FILE.csv") from error
    with file:
        accepted = progress.add_task(
            "accepted", total=os.fstat(file.fileno()).st_size, unit="bytes"
        )
        async for outcome in importer.take_in(read_rows(file)):
            spool.add(outcome)
            rows += 1
            progress.update(accepted, completed=file.tell())
    return rows


def _as_json(summary: ImportSummary, report: Path) -> dict[str, Any]:
    return {
        "rows": summary.rows,
        "by_status": dict(sorted(summary.by_status.items())),
        "rejected": [
            {
                "line": row.line,
                "reference": row.reference,
                "field": row.field,
                "code": row.failure_code,
                "message": row.failure_message,
            }
            for row in summary.rejected
        ],
        "report": str(report),
    }


def _print(summary: ImportSummary, report: Path, waited: bool) -> None:
    print_table(("STATUS", "#ROWS"), [*sorted(summary.by_status.items()), ("all", summary.rows)])
    for row in summary.rejected:
        where = f"line {row.line}" + (f", {row.field}" if row.field else "")
        print_error(f"{where}: {row.failure_message}")
    more = summary.by_status[REJECTED] - len(summary.rejected)
    if more:
        print_error(f"and {more} more rejected rows; the report has them all")
    if parked := summary.by_status[Status.NEEDS_ATTENTION]:
        print_error(
            f"{parked} need attention: perdure payments list --status {Status.NEEDS_ATTENTION}"
        )
    if not waited:
        out.print("Not waited for the outcomes: import the file again to see them.")
    out.print(f"Each row's outcome: {report}", markup=False)
