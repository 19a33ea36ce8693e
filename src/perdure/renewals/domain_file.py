"""Reads a file of domains, row by row, without holding the file.

The file is CSV (RFC 4180) in UTF-8 with a header line.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier
from perdure.core.times import read_date
from perdure.renewals.domains import NewDomain
from perdure.renewals.rules import check_domain_name

COLUMNS: Final = ("name", "customer_id", "expires_on")


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A line that holds a domain; counted from 1, the header's."""

    line: int
    domain: NewDomain


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A line that is not taken in.

    Args:
        line: Counted from 1, the header's.
        name: The domain's, as far as it can be read.
        code: The error's stable code.
        message: What is wrong and what to do about it.
    """

    line: int
    name: str
    code: str
    message: str


def read_domains(lines: Iterable[str]) -> Iterator[DomainRow | RejectedRow]:
    """Read a file's rows; blank lines are left out.

    Args:
        lines: Of the file, decoded.

    Raises:
        InvalidInput: `invalid_header`, or `invalid_csv`: nothing can be said of what follows.
    """
    reader = csv.reader(lines, strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        if sorted(columns) != sorted(COLUMNS):
            raise InvalidInput(
                f"The header line has the columns {', '.join(columns) or 'none'}; it has to have"
                f" {', '.join(COLUMNS)}.",
                code="invalid_header",
            )
        for fields in reader:
            if fields:
                yield _read_row(reader.line_num, columns, [field.strip() for field in fields])
    except csv.Error as error:
        raise InvalidInput(
            f"Line {reader.line_num} is not CSV: {error}. Put it right, and import the file again.",
            code="invalid_csv",
        ) from error


def _read_row(line: int, columns: list[str], fields: list[str]) -> DomainRow | RejectedRow:
    values = dict(zip(columns, fields, strict=False))
    try:
        if len(fields) != len(columns):
            raise InvalidInput(
                f"The row has {len(fields)} fields, the header {len(columns)}.",
                code="wrong_number_of_fields",
            )
        check_domain_name(values["name"], param="name")
        customer_id = check_identifier("customer_id", values["customer_id"])
        expires_on = read_date("expires_on", values["expires_on"])
    except InvalidInput as error:
        return RejectedRow(line, values.get("name", ""), error.code, error.message)
    return DomainRow(line, NewDomain(values["name"], customer_id, expires_on))
