"""`perdure payments import`: a file of payments, to its outcomes."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.cli.import_progress import ImportDisplay, ImportProgress
from perdure.cli.input_file import beside, open_input
from perdure.cli.output import Output, OutputFormat, err, out, print_error, print_json, print_table
from perdure.cli.session import actor, open_session, run
from perdure.operations.model import Status
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.import_file import BadRow, ImportRow, names_by_content, read_rows
from perdure.payments.import_outcomes import (
    REJECTED,
    OutcomeFollower,
    RowOutcome,
    check_writable,
    open_outcomes,
    write_report,
)
from perdure.payments.importing import BATCH_ROWS, BATCH_ROWS_OWN_WORKFLOWS, PaymentImport

_LANES_FROM_ROWS: Final = 50
"""So few rows are somebody's who watches: a workflow each begins at once, and shows every step."""

_INTERRUPTED: Final = 130

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
    *,
    path: Annotated[
        Path,
        typer.Argument(
            help="CSV with a header line; - reads what comes by a pipe.", metavar="FILE.csv"
        ),
    ],
    wait: Annotated[bool, typer.Option(help="Wait for the outcomes.")] = True,
    own_workflows: Annotated[
        bool,
        typer.Option(
            "--own-workflows",
            help="Give each payment a workflow of its own, not a place in a lane: every step shows"
            " in Temporal, at a fraction of the speed. So it is anyway with a file of fewer than"
            f" {_LANES_FROM_ROWS} rows.",
        ),
    ] = False,
    name_rows: Annotated[
        bool,
        typer.Option(
            "--name-rows",
            help="Name rows without a reference after the file's content and their line; otherwise"
            " they are rejected. Beware: a file in which one character was changed is another file,"
            " and all its unnamed rows are paid again.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Where each row's outcome is written: FILE.outcomes.csv beside the file, if left"
            " out, and in the working directory for what comes by a pipe."
        ),
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Import a file of payments; importing it again adds nothing, and reports the same.

    Nothing is paid of a file that is not CSV to its end. Ends with 1 when rows were rejected, with
    130 when it is interrupted: nothing is lost, and the same command again goes on.
    """
    report = report or report_path(path)
    try:
        summary = run(_import(path, report, wait, own_workflows, name_rows))
    except KeyboardInterrupt:
        print_error(
            "Interrupted; nothing is lost. What was accepted goes on by itself. Run the same"
            " command again: it takes in the rest, adds nothing twice, and reports every row."
        )
        raise typer.Exit(_INTERRUPTED) from None
    if output == OutputFormat.JSON:
        print_json(_as_json(summary, report))
    else:
        _print(summary, report, wait)
    if not summary.is_complete:
        raise typer.Exit(1)


def report_path(path: Path) -> Path:
    """Return where the outcomes of a file are written, unless it is said."""
    return beside(path, ".outcomes.csv")


async def _import(
    path: Path, report: Path, wait: bool, own_workflows: bool, name_rows: bool
) -> ImportSummary:
    async with open_session() as platform:
        return await import_payments(
            platform, path, report, wait=wait, own_workflows=own_workflows, name_rows=name_rows
        )


async def import_payments(
    platform: Platform,
    path: Path,
    report: Path,
    *,
    wait: bool = True,
    own_workflows: bool = False,
    name_rows: bool = False,
) -> ImportSummary:
    """Take a file in, wait for its outcomes and write the report.

    Raises:
        InvalidInput: The file cannot be read, is not CSV, or its header is wrong; or the report
            cannot be written. Nothing was taken in.
        ProviderUnavailable: The database was away for too long.
    """
    summary = ImportSummary()
    check_writable(report)
    with open_input(path) as file, open_outcomes() as outcomes:
        rows = read_rows(file, names_by_content(file) if name_rows else None)
        first = list(islice(rows, _LANES_FROM_ROWS))
        in_lanes = len(first) == _LANES_FROM_ROWS and not own_workflows
        importer = PaymentImport(
            platform.pool,
            platform.operations,
            platform.kinds.own(PaymentAcceptance),
            actor=actor(),
            lanes=platform.settings.lanes if in_lanes else None,
        )
        follower = OutcomeFollower(outcomes, importer.statuses)
        progress = ImportProgress(outcomes, os.fstat(file.fileno()).st_size, wait)
        async with importer.running_lanes(), ImportDisplay(err).showing(progress):
            for batch in _batches(
                chain(first, rows), BATCH_ROWS if in_lanes else BATCH_ROWS_OWN_WORKFLOWS
            ):
                outcomes.add(await importer.take_in(batch))
                progress.bytes_read = file.tell()
                if wait:
                    await follower.look_if_due()
            progress.all_read = True
            if wait:
                await follower.follow()
        await write_report(outcomes, follower, report, summary.count)
    return summary


def _batches(rows: Iterator[ImportRow | BadRow], size: int) -> Iterator[list[ImportRow | BadRow]]:
    while batch := list(islice(rows, size)):
        yield batch


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
    out.print(f"Each row's outcome: {report}")
