"""A file's rows: good ones become requests, bad ones are named; a file that is not CSV is none."""

import csv
import io
import tempfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import InvalidInput
from perdure.notifications.contracts import Party
from perdure.payments.import_file import (
    COLUMNS,
    COLUMNS_REQUIRED,
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


def test_a_line_inside_a_field_is_no_payment() -> None:
    """A row that only looks like one is part of the description that holds it."""
    inside = "ref-2,cus_1,acc_1,99,USD,tok_ok,"
    first, last = rows_of(
        f'ref-1,cus_1,acc_1,1,USD,tok_ok,"thanks\n{inside}\n"',
        "ref-3,cus_1,acc_1,3,USD,tok_ok,",
        header=f"{HEADER},description",
    )
    assert isinstance(first, BadRow)
    assert (first.line, first.reference, first.field) == (2, "ref-1", "description")
    assert isinstance(last, ImportRow)
    assert (last.line, last.request.reference) == (5, "ref-3")


@pytest.mark.parametrize(
    "line",
    [
        '"ref-0,cus_1,acc_1,1250,USD,tok_ok',
        'ref-0,cus_1,acc_1,1250,USD,"tok"_ok',
        'ref-0,cus_1,acc_1,1250,USD,t"ok',
        'ref-0,cus_1,acc_1,1250,USD, "tok',
        "ref-0,cus_1,acc_1,1250,USD,tok\rref-1",
        "x" * 200_000,
        '"' + "x\n" * 40_000 + '"',
    ],
    ids=lambda line: line[-20:],
)
def test_of_a_file_that_is_not_csv_no_row_is_read(line: str) -> None:
    content = "\n".join([HEADER, GOOD, line, GOOD]).encode()
    with pytest.raises(InvalidInput, match="ine 3") as refusal:
        next(read_rows(io.BytesIO(content)))
    assert refusal.value.code == "invalid_csv"


def test_line_ends_and_separators_of_others_are_told() -> None:
    for content, told in (
        (f"{HEADER}\r{GOOD}\r", "carriage return"),
        (f"{HEADER}\r{GOOD}\r" * 2_000, "carriage return"),
        (f'{HEADER}\n{GOOD},"x"'.replace(",", ";"), "separated by semicolons"),
        (f"{HEADER}\n{GOOD}".replace(",", "\t"), "separated by tabs"),
    ):
        with pytest.raises(InvalidInput, match=told):
            next(read_rows(io.BytesIO(content.encode())))
    with pytest.raises(InvalidInput, match="UTF-16"):
        next(read_rows(io.BytesIO(f"{HEADER}\n{GOOD}".encode("utf-16"))))
    with pytest.raises(InvalidInput, match="not UTF-8"):
        next(read_rows(io.BytesIO(b"r\xe9f" + HEADER.encode())))


def test_bytes_that_are_not_utf8_spoil_their_own_line_only() -> None:
    content = HEADER.encode() + b"\nref-\xff,c,a,1,USD,t\n" + GOOD.encode()
    rows = list(read_rows(io.BytesIO(content)))
    assert isinstance(rows[0], BadRow)
    assert rows[0].code == "invalid_encoding"
    assert isinstance(rows[1], ImportRow)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f"])
def test_control_characters_are_refused(character: str) -> None:
    row = bad(GOOD.replace("cus_1", f"cus{character}1"))
    assert (row.code, row.field) == ("invalid_input", "customer_id")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "lacks the columns: reference"),
        (HEADER.replace("currency", "curency"), "lacks the columns: currency"),
        (HEADER + ",colour", "not known: colour"),
        (HEADER + ",reference", "repeats the columns: reference"),
        ("reference\x1b", "U\\+001B"),
    ],
)
def test_a_wrong_header_is_refused(header: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as refusal:
        rows_of(GOOD, header=header)
    assert refusal.value.code in {"invalid_header", "invalid_input"}


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_a_row_is_read_as_it_stands_or_the_file_is_refused(lines: list[bytes]) -> None:
    content = b"\n".join([HEADER.encode(), *lines, GOOD.encode()])
    try:
        *_, last = read_rows(io.BytesIO(content))
    except InvalidInput:
        assert any(mark in content for mark in (b'"', b"\r"))
        return
    if b'"' not in content:
        assert isinstance(last, ImportRow)
        assert last.line == content.count(b"\n") + 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.lists(TEXTS, min_size=7, max_size=7), max_size=8))
def test_what_the_standard_library_writes_is_read_record_by_record(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([[*COLUMNS_REQUIRED, "description"], *rows])
    read = list(read_rows(io.BytesIO(file.getvalue().encode())))
    assert len(read) == len(rows)
    for row, fields in zip(read, rows, strict=True):
        if isinstance(row, ImportRow):
            request = row.request
            assert [
                request.reference,
                request.customer_id,
                request.account_id,
                str(request.amount_minor),
                request.currency,
                request.payment_method,
                request.description,
            ] == [*(field.strip() for field in fields)]


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


def test_memory_does_not_grow_with_the_file() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(HEADER.encode() + b"\n")
        file.writelines(f"ref-{n},cus_1,acc_1,1250,USD,tok_ok\n".encode() for n in range(20_000))
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_rows(file))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 20_000
    assert peak_bytes < 1_000_000


def test_a_line_without_an_end_is_not_held_in_memory() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(HEADER.encode() + b'\n"')
        for _ in range(100):
            file.write(b"x" * 100_000)
        tracemalloc.start()
        try:
            with pytest.raises(InvalidInput, match="line 2"):
                next(read_rows(file))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak_bytes < 1_000_000
