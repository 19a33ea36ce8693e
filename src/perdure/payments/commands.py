"""`perdure payments import`: a file of payments, to its outcomes."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from perdure.cli.api_client import open_api
from perdure.cli.input_file import beside
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json, print_table
from perdure.operations.model import Status
from perdure.payments.import_outcomes import REJECTED

if TYPE_CHECKING:
    from perdure.payments.importing import ImportSummary

_INTERRUPTED: Final = 130


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
            " 50 rows.",
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
        # It takes longer to import than most commands take.
        from perdure.payments.importing import PATIENCE_S, import_payments  # noqa: PLC0415

        summary = asyncio.run(
            import_payments(
                partial(open_api, patience_s=PATIENCE_S),
                path,
                report,
                wait=wait,
                own_workflows=own_workflows,
                name_rows=name_rows,
            )
        )
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


def _as_json(summary: "ImportSummary", report: Path) -> dict[str, Any]:
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


def _print(summary: "ImportSummary", report: Path, waited: bool) -> None:
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
