"""A file of domains, read row by row."""

from datetime import date

import pytest

from perdure.core.errors import InvalidInput
from perdure.renewals.domain_file import DomainRow, RejectedRow, read_domains
from perdure.renewals.domains import NewDomain

HEADER = "name,customer_id,expires_on\r\n"


def test_rows_are_read_in_any_order_of_columns() -> None:
    lines = ["expires_on,name,customer_id\n", "2027-01-31,example.info,cus_1\n", "\n"]
    assert list(read_domains(lines)) == [
        DomainRow(2, NewDomain("example.info", "cus_1", date(2027, 1, 31)))
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("Example.info,cus_1,2027-01-31", "invalid_domain"),
        ("example.info,,2027-01-31", "invalid_input"),
        ("example.info,cus_1,31.01.2027", "invalid_date"),
        ("example.info,cus_1,2027-02-30", "invalid_date"),
        ("example.info,cus_1", "wrong_number_of_fields"),
        ("example.info,cus_1,2027-01-31,x", "wrong_number_of_fields"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(row: str, code: str) -> None:
    bad, good = read_domains([HEADER, f"{row}\r\n", "a.info,cus_1,2027-01-31\r\n"])
    assert isinstance(bad, RejectedRow)
    assert (bad.line, bad.code) == (2, code)
    assert isinstance(good, DomainRow)
    assert good.line == 3


@pytest.mark.parametrize(
    "header", ["", "name,customer_id\n", "name,customer_id,expires_on,status\n"]
)
def test_a_header_with_other_columns_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        list(read_domains([header] if header else []))
    assert refused.value.code == "invalid_header"


def test_a_quotation_mark_left_open_is_refused_with_its_line() -> None:
    lines = [HEADER, '"example.info"x,cus_1,2027-01-31\r\n']
    with pytest.raises(InvalidInput, match="Line 2") as refused:
        list(read_domains(lines))
    assert refused.value.code == "invalid_csv"
