"""Reads a file of domains, row by row, without holding the file.

The file is CSV (RFC 4180) in UTF-8 with a header line. It is looked through before its first row is
returned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from perdure.core.csv_records import Record, check_records, read_header, read_records
from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_optional_text
from perdure.core.times import read_date
from perdure.renewals.domains import NewDomain
from perdure.renewals.rules import check_domain_name

COLUMNS: Final = ("name", "customer_id", "expires_on")


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A record that holds a domain; its line is counted from 1, the header's."""

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


def read_domains(file: BinaryIO) -> Iterator[DomainRow | RejectedRow]:
    """Read a file's rows, from its beginning; blank lines are left out.

    Args:
        file: One that can be read twice.

    Raises:
        InvalidInput: `invalid_csv`, `invalid_header`, `invalid_encoding`: nothing can be said about
            any row.
    """
    check_records(file)
    records = read_records(file)
    columns = read_header(records)
    if sorted(columns) != sorted(COLUMNS):
        raise InvalidInput(
            f"The header line has the columns {', '.join(columns) or 'none'}; it has to have"
            f" {', '.join(COLUMNS)}.",
            code="invalid_header",
        )
    for record in records:
        if not record.is_blank:
            yield _read_row(record, columns)


def _read_row(record: Record, columns: list[str]) -> DomainRow | RejectedRow:
    line, fields = record.line, [field.strip() for field in record.fields]
    values, name = dict(zip(columns, fields, strict=False)), ""
    try:
        record.check_encoding()
        name = check_optional_text("name", values.get("name", ""))
        if len(fields) != len(columns):
            raise InvalidInput(
                f"The row has {len(fields)} fields, the header {len(columns)}.",
                code="wrong_number_of_fields",
            )
        return DomainRow(line, read_domain(name, values["customer_id"], values["expires_on"]))
    except InvalidInput as error:
        return RejectedRow(line, name, error.code, error.message)


def read_domain(name: str, customer_id: str, expires_on: str) -> NewDomain:
    """Return a domain from its row's texts.

    Raises:
        InvalidInput: One of them is not what it has to be.
    """
    check_domain_name(name, param="name")
    return NewDomain(
        name, check_identifier("customer_id", customer_id), read_date("expires_on", expires_on)
    )


def busy(row: DomainRow) -> RejectedRow:
    """Return why a domain is left as it is."""
    return RejectedRow(
        row.line,
        row.domain.name,
        "renewal_in_progress",
        "It is being renewed; import it again after that.",
    )
