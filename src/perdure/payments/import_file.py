"""Reads a file of payments, row by row, without holding the file.

The file is CSV (RFC 4180) in UTF-8 with a header line. It is looked through before its first row is
returned: a file that is not CSV to its end is none of which a row can be paid.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from perdure.core.csv_records import Record, check_records, read_header, read_records
from perdure.core.errors import InvalidInput
from perdure.core.money import read_amount_minor
from perdure.core.text import check_optional_text
from perdure.notifications.contracts import Party
from perdure.payments.contracts import PaymentRequest

COLUMNS_REQUIRED: Final = (
    "reference",
    "customer_id",
    "account_id",
    "amount_minor",
    "currency",
    "payment_method",
)
COLUMNS_OPTIONAL: Final = (
    "payer_email",
    "payer_phone",
    "payee_name",
    "payee_email",
    "payee_phone",
    "description",
)
COLUMNS: Final = COLUMNS_REQUIRED + COLUMNS_OPTIONAL


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A record that holds a payment.

    Args:
        line: The one it begins in, counted from 1, the header's.
    """

    line: int
    request: PaymentRequest


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that holds no payment.

    Args:
        line: The one it begins in, counted from 1, the header's.
        reference: As far as it can be read.
        field: The column at fault; None: the record as a whole.
        code: The error's stable code.
        message: What is wrong and what to do about it.
    """

    line: int
    reference: str
    field: str | None
    code: str
    message: str


NameRow = Callable[[int], str]
"""Gives the row of a line its reference, where the file does not."""


def names_by_content(file: BinaryIO) -> NameRow:
    """Return names for the rows of a file, out of its whole content and their line.

    The same file gives the same names. A file in which anything was changed is another file: all
    its names are others.
    """
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    file.seek(0)
    prefix = f"file-{digest.hexdigest()[:16]}"
    return lambda line: f"{prefix}-{line}"


def read_rows(file: BinaryIO, name_row: NameRow | None = None) -> Iterator[ImportRow | BadRow]:
    """Read a file's rows, from its beginning; blank lines are left out.

    Args:
        file: One that can be read twice.
        name_row: Names the rows that have no reference; None: they are bad rows.

    Raises:
        InvalidInput: `invalid_csv`, `invalid_header`, `invalid_encoding`: nothing can be said about
            any row.
    """
    check_records(file)
    records = read_records(file)
    columns = _check_header(read_header(records), named=name_row is not None)
    for record in records:
        if not record.is_blank:
            yield _read_row(record, columns, name_row)


def _check_header(columns: list[str], *, named: bool) -> list[str]:
    required = [name for name in COLUMNS_REQUIRED if name != "reference" or not named]
    missing = [name for name in required if name not in columns]
    unknown = [name for name in columns if name not in COLUMNS]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    for problem, names in (
        ("lacks the columns", missing),
        ("has columns that are not known", unknown),
        ("repeats the columns", repeated),
    ):
        if names:
            raise InvalidInput(
                f"The header line {problem}: {', '.join(names)}. The columns are"
                f" {', '.join(COLUMNS_REQUIRED)}, and optionally {', '.join(COLUMNS_OPTIONAL)}.",
                code="invalid_header",
            )
    return columns


def _read_row(record: Record, columns: list[str], name_row: NameRow | None) -> ImportRow | BadRow:
    reference, fields = "", record.fields
    try:
        record.check_encoding()
        if len(fields) != len(columns):
            raise InvalidInput(
                f"The row has {len(fields)} fields, the header {len(columns)}.",
                code="wrong_number_of_fields",
            )
        values = {name: field.strip() for name, field in zip(columns, fields, strict=True)}
        if name_row is not None and not values.get("reference"):
            values["reference"] = name_row(record.line)
        reference = check_optional_text("reference", values["reference"])
        return ImportRow(record.line, _request(values))
    except InvalidInput as error:
        return BadRow(record.line, reference, error.param, error.code, error.message)


def _request(values: dict[str, str]) -> PaymentRequest:
    for name in COLUMNS_REQUIRED:
        if not values[name]:
            raise InvalidInput("The field is empty.", code="missing_field", param=name)
    for name, value in values.items():
        check_optional_text(name, value)
    return PaymentRequest(
        customer_id=values["customer_id"],
        account_id=values["account_id"],
        amount_minor=read_amount_minor(values["amount_minor"]),
        currency=values["currency"],
        payment_method=values["payment_method"],
        payer=Party(
            email=values.get("payer_email") or None, phone=values.get("payer_phone") or None
        ),
        payee=Party(
            values.get("payee_name", ""),
            values.get("payee_email") or None,
            values.get("payee_phone") or None,
        ),
        reference=values["reference"],
        description=values.get("description", ""),
    )


COLUMN_OF_PARAM: Final = {
    "payer.email": "payer_email",
    "payer.phone": "payer_phone",
    "payee.name": "payee_name",
    "payee.email": "payee_email",
    "payee.phone": "payee_phone",
}
"""Which column is at fault where an error names a request's nested field."""
