"""Files of statements: read alike whatever they are written in; what is wrong is named by line."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from perdure.core.errors import InvalidInput
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.reconciliation.statements.csv_statement import CsvStatements
from perdure.reconciliation.statements.model import Beginning, Line, StatementFormat
from perdure.reconciliation.statements.reading import READERS, Closed, checked, format_of
from perdure.reconciliation.statements.values import names_ours, references_of

from .files import BAI2, CAMT, CSV, DAY, MT940, OURS

COLUMNS = CsvColumns(
    booked_on="Buchung",
    amount="Betrag",
    balance="Saldo",
    references=("Referenz",),
    description=("Text",),
    delimiter=";",
    decimal=",",
    date_format="%d.%m.%Y",
    skip_lines=1,
)
Parts = list[Beginning | Line | Closed]


def read(text: str | bytes, *, columns: CsvColumns = COLUMNS, encoding: str = "utf-8") -> Parts:
    content = text if isinstance(text, bytes) else text.encode(encoding)
    file = BytesIO(content)
    written = format_of(file)
    reader = (
        CsvStatements(columns, "own", "EUR").read
        if written is StatementFormat.CSV
        else READERS[written]
    )
    return list(checked(reader(file, encoding)))


@pytest.mark.parametrize(
    ("text", "account", "currency", "is_dated"),
    [
        (CAMT, "DE89370400440532013000", "EUR", True),
        (MT940, "37040044/0532013000", "EUR", True),
        (BAI2, "9876543", "USD", False),
        (CSV, "own", "EUR", True),
    ],
    ids=["camt053", "mt940", "bai2", "csv"],
)
def test_a_statement_says_the_same_in_each_format(
    text: str, account: str, currency: str, is_dated: bool
) -> None:
    begun, one, other, end = read(text)
    assert isinstance(begun, Beginning)
    assert (begun.account, begun.currency) == (account, currency)
    assert isinstance(one, Line)
    assert isinstance(other, Line)
    assert (one.amount_minor, other.amount_minor) == (-10_000, 4_050)
    if is_dated:
        assert one.booked_on == DAY
    assert "B-1" in (one.their_id, *one.references)
    assert one.references[-1 if text != CSV else 0] in (OURS, "B-1")
    assert isinstance(end, Closed)
    assert (end.opening_minor, end.closing_minor, end.lines) == (50_000, 44_050, 2)


def test_our_reference_is_found_however_it_comes_back() -> None:
    for text in (CAMT, MT940, BAI2):
        line = read(text)[1]
        assert isinstance(line, Line)
        assert OURS in line.references
    assert references_of(["NONREF", "  "], [f"SVWZ+Rent {OURS.upper().replace('_', '')}"]) == (
        OURS,
    )
    assert names_ours(OURS)
    assert not names_ours("RE-2026-000001")


def _changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


WRONG: list[tuple[str, str, str, int | None]] = [
    (_changed(CAMT, "440.5<", "441.5<"), "statement_sum", "closing balance", 19),
    (_changed(CAMT, "40.50<", "40.505<"), "invalid_statement", "finer than EUR", 17),
    (_changed(CAMT, 'Ccy="EUR">40', 'Ccy="USD">40'), "currency_mismatch", "is in USD", 17),
    (_changed(CAMT, "<CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>", "<Sts><Cd>"), "invalid_statement",
        "Ntry/CdtDbtInd", 10),
    (CAMT[:900], "invalid_statement", "not well-formed", 14),
    (_changed(CAMT, "BkToCstmrStmt>", "BkToCstmrAcctRpt>"), "invalid_statement", "camt.052", 3),
    (_changed(MT940, ":62F:C261127EUR440,50", ":62F:C261127EUR440,51"), "statement_sum", "440", 10),
    (_changed(MT940, ":62F:C261127EUR440,50\n", ""), "invalid_statement", "no closing", 2),
    (_changed(MT940, "D100,00NTRF", "X100,00NTRF"), "invalid_statement", ":61:", 6),
    (_changed(MT940, "C261127", "C261327"), "invalid_statement", "YYMMDD", 10),
    (_changed(BAI2, "49,108100,5", "49,108101,5"), "statement_sum", "account control total", 7),
    (_changed(BAI2, "98,108100,1,7", "98,108100,1,8"), "statement_sum", "number of records", 8),
    (_changed(BAI2, "USD,2/", "USD,1/"), "statement_not_final", "interim", 2),
    (BAI2[: BAI2.index("99,")], "invalid_statement", "cut off", None),
    (_changed(CSV, "440,50", "440,51"), "statement_sum", "does not follow", 4),
    (_changed(CSV, "40,50;", "40,50,1;"), "invalid_statement", "Betrag", 4),
    (_changed(CSV, "27.11.2026;40", "2026-11-27;40"), "invalid_statement", "Buchung", 4),
    (_changed(CSV, "Saldo", "Stand"), "invalid_header", "Saldo", 2),
    (_changed(CSV, "B-2;Z", "B-2;;Z"), "invalid_statement", "6 fields", 4),
    ("", "invalid_statement", "empty", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "told", "line"), WRONG)
def test_what_is_wrong_is_named_with_its_line(
    text: str, code: str, told: str, line: int | None
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert refused.value.code == code
    assert told in refused.value.message
    if line is not None:
        assert refused.value.message.startswith(f"Line {line},"), refused.value.message


BOMB = '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
FETCHED = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, FETCHED, '<!DOCTYPE a SYSTEM "http://x/a.dtd">'])
def test_xml_with_a_document_type_is_refused(doctype: str) -> None:
    text = _changed(CAMT, "?>\n", f"?>\n{doctype}\n").replace("Rent", "&b;")
    with pytest.raises(InvalidInput, match="no document type") as refused:
        read(text)
    assert refused.value.code == "unsafe_xml"


@pytest.mark.parametrize("text", [MT940, BAI2, CSV])
def test_a_byte_order_mark_and_other_line_ends_are_no_matter(text: str) -> None:
    content = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    assert [type(part) for part in read(content)] == [type(part) for part in read(text)]


def test_an_encoding_is_said_and_never_guessed() -> None:
    content = CSV.encode("latin-1")
    with pytest.raises(InvalidInput, match="0xfc is not utf-8; if the file is latin-1") as refused:
        read(content)
    assert refused.value.code == "invalid_encoding"
    line = read(content, encoding="latin-1")[2]
    assert isinstance(line, Line)
    assert line.description == "Z\u00fcrich"
    with pytest.raises(InvalidInput, match="UTF-16"):
        read(CSV.encode("utf-16"), encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("D,Out,In\n2026-11-27,5.00,\n2026-11-27,,7.00\n", {"debit": "Out", "credit": "In"}),
        ("D,A,S\n2026-11-27,5.00,D\n2026-11-27,7.00,C\n", {"amount": "A", "side": "S"}),
        ("D,A\n2026-11-27,5.00\n2026-11-27,-7.00\n", {"amount": "A", "negate": True}),
        (
            "D,A,B\n2026-11-27,-5.00,107.00\n2026-11-27,7.00,112.00\n",
            {"amount": "A", "balance": "B"},
        ),
    ],
    ids=["two_columns", "a_sign", "the_banks_view", "newest_first"],
)
def test_csv_is_read_as_its_bank_writes_it(text: str, given: dict[str, Any]) -> None:
    columns = CsvColumns(booked_on="D", **given)
    columns.check()
    parts = read(text, columns=columns)
    assert [part.amount_minor for part in parts if isinstance(part, Line)] == [-500, 700]
    if "balance" in given:
        end = parts[-1]
        assert isinstance(end, Closed)
        assert (end.opening_minor, end.closing_minor) == (10_500, 10_700)


@pytest.mark.parametrize(
    "given",
    [{}, {"amount": "a", "delimiter": "x"}, {"debit": "a"}, {"amount": "a", "date_format": "%d"}],
)
def test_a_mapping_that_reads_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        CsvColumns(booked_on="d", **given).check()


class Endless(BytesIO):
    """A file of many lines that nobody holds whole."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = self._made(lines)
        self.most = 0

    def _made(self, lines: int) -> Iterator[bytes]:
        yield b"D,A\n"
        for _ in range(lines):
            yield b"2026-11-27,1.00\n"

    def readline(self, _size: int | None = -1, /) -> bytes:
        return next(self._lines, b"")


def test_lines_are_read_one_by_one() -> None:
    file = Endless(1_000_000)
    parts = CsvStatements(CsvColumns(booked_on="D", amount="A"), "own", "EUR").read(file, "utf-8")
    assert isinstance(next(parts), Beginning)
    assert isinstance(next(parts), Line)
    assert next(file._lines) == b"2026-11-27,1.00\n", "the file was read to its end"
