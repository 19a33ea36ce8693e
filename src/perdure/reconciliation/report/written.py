"""A reconciliation's report as HTML that prints, and as CSV that no spreadsheet runs."""

import csv
from collections.abc import Iterable
from html import escape
from io import StringIO
from typing import Final

from perdure.core.csv_records import harmless
from perdure.reconciliation.breaks.texts import difference
from perdure.reconciliation.matching.items import BreakClass
from perdure.reconciliation.report.rows import ReportRow
from perdure.reconciliation.report.summary import Summary

CSV_COLUMNS: Final = (
    "id", "class", "source", "account_id", "amount_minor", "currency", "found_on", "status",
    "resolution", "told",
)  # fmt: skip

_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem; max-width: 84rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
small, .id { color: #595959; } small { display: block; font-size: 0.8rem; }
.verdict { font-size: 1.1rem; font-weight: 600; padding: 0.4rem 0.8rem; display: inline-block;
  border-left: 4px solid #2e7d32; background: #eef6ee; }
.verdict.open { border-color: #b26a00; background: #fdf4e3; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #dcdcdc; padding: 0.35rem 0.9rem 0.35rem 0; text-align: left;
  vertical-align: top; white-space: nowrap; }
th { border-bottom: 2px solid #8a8a8a; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 18rem; }
td.part { padding-left: 1.5rem; }
thead { display: table-header-group; } tr { break-inside: avoid; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { margin: 0; font-size: 9.5px; max-width: none; } }
"""

_IN_ORDER: Final = {break_class.value: place for place, break_class in enumerate(BreakClass)}


def as_html(summary: Summary, rows: Iterable[ReportRow]) -> str:
    """Return the report as one page, which needs nothing from elsewhere; breaks by their class."""
    shown = sorted(
        rows, key=lambda row: (_IN_ORDER[row.break_class], row.source, row.account_id, row.id)
    )
    count, title = summary.breaks_in_all, f"Reconciliation of {summary.day}"
    told = f"{count:,} break{'' if count == 1 else 's'}" if count else "All agrees."
    body = [
        f"<h1>{title}</h1>",
        f'<p class="id">{escape(summary.operation_id)}</p>',
        f'<p class="verdict{" open" if count else ""}">{told}</p>',
        _table(("What", "#How many"), [_figure(*one) for one in figures(summary)]),
    ]
    if shown:
        body += [
            "<h2>Breaks</h2>",
            '<p class="id">The difference is what they have more than we do.</p>',
            _table(
                ("Class", "Account, and source", "#Difference", "Since", "Status", "What"),
                map(_break, shown),
            ),
        ]
    left = count - len(shown)
    if left > 0:
        body.append(f"<p>{left:,} more are in the whole report.</p>")
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


def _figure(what: str, count: str) -> str:
    part = ' class="part"' if what.startswith(" ") else ""
    return f'<td{part}>{escape(what.strip())}</td><td class="number">{count}</td>'


def _break(row: ReportRow) -> str:
    amount = difference(row.break_class, row.amount_minor, row.currency) or "\N{EN DASH}"
    status = (row.resolution or row.status).replace("_", " ")
    return (
        f"<td>{row.break_class.replace('_', ' ')}<small>{escape(row.id)}</small></td>"
        f"<td>{escape(row.account_id)}<small>{escape(row.source)}</small></td>"
        f'<td class="number">{escape(amount)}</td><td>{row.found_on}</td>'
        f'<td>{escape(status)}</td><td class="long">{escape(row.told)}</td>'
    )


def _table(columns: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(
        f'<th class="number">{name[1:]}</th>' if name.startswith("#") else f"<th>{name}</th>"
        for name in columns
    )
    lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody></table>"
