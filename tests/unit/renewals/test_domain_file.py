"""A file of domains, read row by row."""

import io
from datetime import date

import pytest

from perdure.core.errors import InvalidInput
from perdure.renewals.domain_file import DomainRow, RejectedRow, read_domains
from perdure.renewals.domains import NewDomain

HEADER = "name,customer_id,expires_on\r\n"


def rows_of(*lines: str) -> list[DomainRow | RejectedRow]:
    return list(read_domains(io.BytesIO("".join(lines).encode())))


def test_rows_are_read_in_any_order_of_columns() -> None:
    lines = ["\ufeffexpires_on,name,customer_id\n", "2027-01-31,example.info, Zoe\u0308\n", "\n"]
    assert rows_of(*lines) == [DomainRow(2, NewDomain("example.info", "Zoë", date(2027, 1, 31)))]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("Example.info,cus_1,2027-01-31", "invalid_domain"),
        ("example.info,,2027-01-31", "invalid_input"),
        ("example.info,cus_1,31.01.2027", "invalid_date"),
        ("example.info,cus_1,2027-02-30", "invalid_date"),
        ("example.info,cus_1,20270131", "invalid_date"),
        ("example.info,cus\x1b1,2027-01-31", "invalid_input"),
        ("example.info,cus_1", "wrong_number_of_fields"),
        ("example.info,cus_1,2027-01-31,x", "wrong_number_of_fields"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(row: str, code: str) -> None:
    bad, good = rows_of(HEADER, f"{row}\r\n", "a.info,cus_1,2027-01-31\r\n")
    assert isinstance(bad, RejectedRow)
    assert (bad.line, bad.code) == (2, code)
    assert isinstance(good, DomainRow)
    assert good.line == 3


@pytest.mark.parametrize(
    "header",
    [
        "",
        "name,customer_id\n",
        "name,customer_id,expires_on,status\n",
        "name;customer_id;expires_on\n",
    ],
)
def test_a_header_with_other_columns_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rows_of(header)
    assert refused.value.code == "invalid_header"


def test_of_a_file_that_is_not_csv_no_row_is_read() -> None:
    good = "a.info,cus_1,2027-01-31\r\n"
    content = f'{HEADER}{good}"example.info"x,cus_1,2027-01-31\r\n'.encode()
    with pytest.raises(InvalidInput, match="line 3") as refused:
        next(read_domains(io.BytesIO(content)))
    assert refused.value.code == "invalid_csv"


def test_a_line_inside_a_field_is_no_domain() -> None:
    (row,) = rows_of(HEADER, 'a.info,"cus_1\nb.info,cus_1,2027-01-31\n",2027-01-31\n')
    assert isinstance(row, RejectedRow)
    assert (row.line, row.name) == (2, "a.info")
