"""A reconciliation's report as HTML that prints, and as CSV that no spreadsheet runs."""

import csv
from collections.abc import Iterable
from html import escape
from io import StringIO
from typing import Final

from perdure.core.csv_records import harmless
from perdure.core.money import format_amount
from perdure.reconciliation.report.rows import ReportRow
from perdure.reconciliation.report.summary import Summary

CSV_COLUMNS: Final = (
    "id", "class", "source", "account_id", "amount_minor", "currency", "found_on", "status",
    "resolution", "told",
)  # fmt: skip

_STYLE: Final = """
body { font: 14px/1.4 system-ui, sans-serif; color: #1a1a1a; margin: 2rem; max-width: 72rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #d0d0d0; padding: 0.3rem 0.6rem; text-align: left;
  vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead { display: table-header-group; } tr { break-inside: avoid; }
@media print { body { margin: 0; font-size: 10px; max-width: none; } }
"""


def as_html(summary: Summary, rows: Iterable[ReportRow]) -> str:
    """Return the report as one page, which needs nothing from elsewhere."""
    shown = list(rows)
    body = [
        f"<h1>Reconciliation of {summary.day}</h1>",
        f"<p>{escape(summary.operation_id)}</p>",
        _table(("What", "#How many"), figures(summary)),
        f"<h2>Breaks ({summary.breaks_in_all:,})</h2>",
    ]
    if shown:
        body.append(
            _table(
                ("Id", "Class", "Source", "Account", "#Difference", "Since", "Status", "What"),
                [_cells(row) for row in shown],
            )
        )
    left = summary.breaks_in_all - len(shown)
    if left > 0:
        body.append(f"<p>{left:,} more are in the whole report.</p>")
    if not summary.breaks_in_all:
        body.append("<p>None.</p>")
    title = f"Reconciliation of {summary.day}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def as_csv(rows: Iterable[ReportRow]) -> str:
    """Return the breaks as CSV, with a header line."""
    written = StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        cells = (
            *(row.id, row.break_class, row.source, row.account_id, row.amount_minor),
            *(row.currency, row.found_on.isoformat(), row.status, row.resolution or "", row.told),
        )
        writer.writerow([harmless(cell) for cell in cells])
    return written.getvalue()


def as_text(summary: Summary) -> str:
    """Return the numbers for a mail that shows no HTML."""
    lines = [f"{what}: {count}" for what, count in figures(summary)]
    return "\n".join([f"Reconciliation of {summary.day} ({summary.operation_id})", "", *lines])


def figures(summary: Summary) -> list[tuple[str, str]]:
    """Return the numbers, each with what it is."""
    counts = {
        "Accounts compared": summary.accounts,
        "Entries of ours matched": summary.matched_entries,
        "Lines of theirs matched": summary.matched_lines,
        "Entries that no statement covers yet": summary.waiting,
        "Breaks": summary.breaks_in_all,
        **{f"  {name.replace('_', ' ')}": count for name, count in summary.breaks.items()},
        "Breaks that are new": summary.new,
        "Earlier breaks closed, as they were seen": summary.seen,
        "Accounts left out, with too much that is open": len(summary.left_out),
    }
    return [(what, f"{count:,}") for what, count in counts.items()]


def _cells(row: ReportRow) -> tuple[str, ...]:
    return (
        row.id,
        row.break_class.replace("_", " "),
        row.source,
        row.account_id,
        format_amount(row.amount_minor, row.currency),
        row.found_on.isoformat(),
        row.resolution or row.status,
        row.told,
    )


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    heads = list(columns)
    classes = [' class="number"' if head.startswith("#") else "" for head in heads]
    head = "".join(
        f"<th{one}>{escape(name.removeprefix('#'))}</th>"
        for name, one in zip(heads, classes, strict=True)
    )
    lines = [
        "<tr>"
        + "".join(f"<td{one}>{escape(cell)}</td>" for cell, one in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    ]
    return (
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table>"
    )
