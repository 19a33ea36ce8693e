"""The report of a reconciliation, as people read it."""

import re
from datetime import date

from perdure.reconciliation.breaks.texts import told
from perdure.reconciliation.matching.items import BreakClass, Finding, Item
from perdure.reconciliation.report.rows import ReportRow
from perdure.reconciliation.report.summary import Summary
from perdure.reconciliation.report.written import as_html

DAY = date(2026, 11, 27)


def row(break_class: BreakClass, *, told: str = "") -> ReportRow:
    return ReportRow(
        id=f"brk_{break_class}",
        break_class=break_class.value,
        source="A & B",
        account_id="acc_1",
        amount_minor=-123,
        currency="EUR",
        found_on=DAY,
        status="needs_attention",
        resolution=None,
        told=told,
    )


def page(*rows: ReportRow) -> str:
    summary = Summary(
        operation_id="rec_1",
        day=DAY,
        accounts=3,
        matched_lines=1,
        matched_entries=1,
        waiting=0,
        breaks={one.break_class: 1 for one in rows},
        new=len(rows),
        seen=0,
    )
    return as_html(summary, rows)


def test_breaks_are_shown_by_class_and_what_others_wrote_is_no_html() -> None:
    shown = page(row(BreakClass.SIGN), row(BreakClass.MISSING_HERE, told="<b>&"))
    assert re.findall("brk_[a-z_]+", shown) == ["brk_missing_here", "brk_sign"]
    assert "&lt;b&gt;&amp;" in shown
    assert "<small>A &amp; B</small>" in shown
    assert shown.count("-1.23 EUR") == 2
    assert "2 breaks" in shown
    assert "All agrees." in page()


def test_two_currencies_have_no_difference() -> None:
    assert "-1.23 EUR" not in page(row(BreakClass.CURRENCY))


def test_what_is_ours_is_named_by_its_operation() -> None:
    """And not by the entry of the ledger, which the other side never heard of."""
    names = [f"{prefix}_01h455vb4pex5vsknk084sn02q" for prefix in ("ltr", "tfr")]
    entry = Item("e", -100, "EUR", DAY, frozenset({*names, "order-7"}))
    finding = Finding(BreakClass.TIMING, ("e",), (), 100, "EUR")
    assert f"({names[1]})" in told("bank", finding, [entry], [])
