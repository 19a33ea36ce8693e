"""An import of payments, on the database itself: a million rows at its speed."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Final

from perdure.bootstrap import Platform
from perdure.cli.input_file import open_input
from perdure.cli.output import err
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
from perdure.payments.import_progress import ImportDisplay, ImportProgress
from perdure.payments.importing import BATCH_ROWS, BATCH_ROWS_OWN_WORKFLOWS, PaymentImport

LANES_FROM_ROWS: Final = 50
"""So few rows are somebody's who watches: a workflow each begins at once, and shows every step."""

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


def run_import(
    path: Path, report: Path, *, wait: bool, own_workflows: bool, name_rows: bool
) -> ImportSummary:
    """Import a file, as `import_payments` does, on the platform that the settings name."""

    async def work() -> ImportSummary:
        async with open_session() as platform:
            return await import_payments(
                platform, path, report, wait=wait, own_workflows=own_workflows, name_rows=name_rows
            )

    return run(work())


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
        first = list(islice(rows, LANES_FROM_ROWS))
        in_lanes = len(first) == LANES_FROM_ROWS and not own_workflows
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
