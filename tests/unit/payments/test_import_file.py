"""A file's rows: good ones become requests, bad ones are named, none stops the rest."""

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import InvalidInput
from perdure.notifications.contracts import Party
from perdure.payments.import_file import (
    COLUMNS,
    COLUMNS_REQUIRED,
    LINE_BYTES_MAX,
    BadRow,
    ImportRow,
    names_by_content,
    read_rows,
)

HEADER = ",".join(COLUMNS_REQUIRED)
GOOD = "ref-1,cus_1,acc_1,1250,USD,tok_ok"


def rows_of(*lines: str, header: str = HEADER) -> list[ImportRow | BadRow]:
    return list(read_rows(io.BytesIO("\n".join([header, *lines]).encode())))


def bad(*lines: str, header: str = HEADER) -> BadRow:
    rows = rows_of(*lines, header=header)
    assert isinstance(rows[0], BadRow)
    return rows[0]


def test_every_column_reaches_the_request() -> None:
    line = 'r,c,a,1250,USD,tok,p@x.io,+331,"Ada, Ltd ""A""",q@x.io,+332,for tea'
    (row,) = rows_of(line, header=",".join(COLUMNS))
    assert isinstance(row, ImportRow)
    assert row.line == 2
    request = row.request
    assert (request.reference, request.customer_id, request.account_id) == ("r", "c", "a")
    assert (request.amount_minor, request.currency, request.payment_method) == (1250, "USD", "tok")
    assert request.payer == Party(email="p@x.io", phone="+331")
    assert request.payee == Party('Ada, Ltd "A"', "q@x.io", "+332")
    assert request.description == "for tea"


def test_columns_may_come_in_any_order_and_optional_ones_may_be_missing() -> None:
    header = ",".join(reversed(COLUMNS_REQUIRED))
    (row,) = rows_of(",".join(reversed(GOOD.split(","))), header=header)
    assert isinstance(row, ImportRow)
    assert row.request.reference == "ref-1"
    assert row.request.payer == Party()


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_are_taken() -> None:
    content = f"\ufeff{HEADER}\r\n\r\n{GOOD}\r\n   \r\n{GOOD}".encode()
    rows = list(read_rows(io.BytesIO(content)))
    assert [row.line for row in rows] == [3, 5]
    assert all(isinstance(row, ImportRow) for row in rows)


@pytest.mark.parametrize(
    "amount",
    ["", "0x10", "12.50", "1_000", "+5", "-5", "٣", "1e3", "9" * 20, " ", "NaN"],
)
def test_an_amount_that_is_not_whole_minor_units_is_refused(amount: str) -> None:
    row = bad(GOOD.replace("1250", amount))
    assert row.field == "amount_minor"
    assert row.reference == "ref-1"


@pytest.mark.parametrize("place", range(len(COLUMNS_REQUIRED)))
def test_an_empty_required_field_is_named(place: int) -> None:
    fields = GOOD.split(",")
    fields[place] = ""
    assert bad(",".join(fields)).field == COLUMNS_REQUIRED[place]


@pytest.mark.parametrize("line", ["", ",", GOOD + ",more", GOOD.rpartition(",")[0]])
def test_the_wrong_number_of_fields_is_told(line: str) -> None:
    if not line:
        assert rows_of(line) == []
        return
    assert bad(line).code == "wrong_number_of_fields"


def test_an_open_quotation_mark_spoils_its_own_line_only() -> None:
    rows = rows_of('"ref-0,cus_1,acc_1,1250,USD,tok_ok', GOOD)
    assert isinstance(rows[0], BadRow)
    assert rows[0].code == "invalid_csv"
    assert isinstance(rows[1], ImportRow)
    assert rows[1].line == 3


def test_bytes_that_are_not_utf8_spoil_their_own_line_only() -> None:
    content = HEADER.encode() + b"\nref-\xff,c,a,1,USD,t\n" + GOOD.encode()
    rows = list(read_rows(io.BytesIO(content)))
    assert isinstance(rows[0], BadRow)
    assert rows[0].code == "invalid_encoding"
    assert isinstance(rows[1], ImportRow)


@pytest.mark.parametrize("character", ["\0", "\x07", "\u2028", "\x7f"])
def test_control_characters_are_refused(character: str) -> None:
    row = bad(GOOD.replace("cus_1", f"cus{character}1"))
    assert (row.code, row.field) == ("invalid_text", "customer_id")


def test_a_line_too_long_is_refused_and_the_next_one_read() -> None:
    rows = rows_of("x" * (3 * LINE_BYTES_MAX), GOOD)
    assert isinstance(rows[0], BadRow)
    assert rows[0].code == "line_too_long"
    assert isinstance(rows[1], ImportRow)
    assert rows[1].line == 3


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "lacks the columns: reference"),
        (HEADER.replace("currency", "curency"), "lacks the columns: currency"),
        (HEADER + ",colour", "not known: colour"),
        (HEADER + ",reference", "repeats the columns: reference"),
        ('"reference', "cannot be read"),
    ],
)
def test_a_wrong_header_is_refused(header: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as refusal:
        rows_of(GOOD, header=header)
    assert refusal.value.code == "invalid_header"


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_content_stops_the_rows_after_it(lines: list[bytes]) -> None:
    content = b"\n".join([HEADER.encode(), *lines, GOOD.encode()])
    *_, last = read_rows(io.BytesIO(content))
    assert isinstance(last, ImportRow)
    assert last.line == content.count(b"\n") + 1


def test_rows_without_a_reference_are_named_by_the_files_content_and_their_line() -> None:
    lines = [HEADER, GOOD, GOOD.replace("ref-1", ""), GOOD.replace("ref-1", "")]

    def names(content: str) -> list[str | None]:
        file = io.BytesIO(content.encode())
        rows = list(read_rows(file, names_by_content(file)))
        return [row.request.reference for row in rows if isinstance(row, ImportRow)]

    content = "\n".join(lines)
    first = names(content)
    assert first[0] == "ref-1"
    assert len(set(first)) == 3
    assert names(content) == first
    changed = names(content.replace("1250", "1251", 1))
    assert changed[0] == "ref-1"
    assert not {*changed[1:]} & {*first[1:]}


def test_a_file_of_named_rows_needs_no_column_of_references() -> None:
    content = HEADER.replace("reference,", "") + "\n" + GOOD.replace("ref-1,", "")
    file = io.BytesIO(content.encode())
    (row,) = read_rows(file, names_by_content(file))
    assert isinstance(row, ImportRow)
    assert (row.request.reference or "").endswith("-2")


class _Endless(io.BytesIO):
    """A file of so many lines that is never held as a whole."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = self._content(lines)

    @staticmethod
    def _content(lines: int) -> Iterator[bytes]:
        yield HEADER.encode() + b"\n"
        for number in range(lines):
            yield f"ref-{number},cus_1,acc_1,1250,USD,tok_ok\n".encode()

    def readline(self, size: int | None = -1, /) -> bytes:
        return next(self._lines, b"")


def test_memory_does_not_grow_with_the_file() -> None:
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_rows(_Endless(50_000)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 50_000
    assert peak_bytes < 1_000_000
