"""Reads a file of payments, row by row, without holding the file.

The file is CSV (RFC 4180) in UTF-8 with a header line. A row is one line: a field holds no line
break, so that a quotation mark left open spoils its own line and not the rest of the file.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from perdure.core.errors import InvalidInput
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

LINE_BYTES_MAX: Final = 65_536
AMOUNT_DIGITS_MAX: Final = 19
"""As many as the largest amount has; a longer number is not even converted."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A line that holds a payment.

    Args:
        line: Counted from 1, the header's.
    """

    line: int
    request: PaymentRequest


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that holds no payment.

    Args:
        line: Counted from 1, the header's.
        reference: As far as it can be read.
        field: The column at fault; None: the line as a whole.
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
    """Read a file's rows; blank lines are left out.

    Args:
        name_row: Names the rows that have no reference; None: they are bad rows.

    Raises:
        InvalidInput: `invalid_header`; nothing can be said about any row.
    """
    lines = _lines(file)
    header = next(lines, None)
    columns = _check_header(header[1] if header else b"", named=name_row is not None)
    for number, content in lines:
        if content.strip():
            yield _read_row(number, content, columns, name_row)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Return numbered lines, each cut off just beyond the limit."""
    number = 0
    while content := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        yield number, content
        while len(content) > LINE_BYTES_MAX and not content.endswith(b"\n"):
            content = file.readline(LINE_BYTES_MAX + 1)


def _check_header(content: bytes, *, named: bool) -> list[str]:
    try:
        columns = [name.strip() for name in _fields(content.removeprefix(b"\xef\xbb\xbf"))]
    except InvalidInput as error:
        raise InvalidInput(
            f"The header line cannot be read: {error.message}", code="invalid_header"
        ) from error
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


def _fields(content: bytes) -> list[str]:
    if len(content) > LINE_BYTES_MAX:
        raise InvalidInput(f"A line has at most {LINE_BYTES_MAX} bytes.", code="line_too_long")
    try:
        text = content.rstrip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"Byte {error.start + 1} is not UTF-8; save the file as UTF-8.", code="invalid_encoding"
        ) from error
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise InvalidInput(
            f"The line is not CSV: {error}. A field with a comma or a quotation mark stands in"
            ' quotation marks, each one inside it doubled ("").',
            code="invalid_csv",
        ) from error


def _read_row(
    number: int, content: bytes, columns: list[str], name_row: NameRow | None
) -> ImportRow | BadRow:
    reference = ""
    try:
        fields = _fields(content)
        if len(fields) != len(columns):
            raise InvalidInput(
                f"The row has {len(fields)} fields, the header {len(columns)}.",
                code="wrong_number_of_fields",
            )
        values = {name: field.strip() for name, field in zip(columns, fields, strict=True)}
        if name_row is not None and not values.get("reference"):
            values["reference"] = name_row(number)
        reference = values["reference"]
        return ImportRow(number, _request(values))
    except InvalidInput as error:
        return BadRow(number, reference, error.param, error.code, error.message)


def _request(values: dict[str, str]) -> PaymentRequest:
    for name in COLUMNS_REQUIRED:
        if not values[name]:
            raise InvalidInput("The field is empty.", code="missing_field", param=name)
    for name, value in values.items():
        # Control characters break logs and mails, and PostgreSQL takes no NUL.
        if not value.isprintable():
            raise InvalidInput(
                "The field holds a control character.", code="invalid_text", param=name
            )
    return PaymentRequest(
        customer_id=values["customer_id"],
        account_id=values["account_id"],
        amount_minor=_amount_minor(values["amount_minor"]),
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


def _amount_minor(text: str) -> int:
    # `int` takes more than it should: 1_000, ٣, +5.
    if not (text.isascii() and text.isdigit()) or len(text) > AMOUNT_DIGITS_MAX:
        raise InvalidInput(
            f"{text[:40]!r} is not a whole number of minor units: 12.50 USD is 1250.",
            code="invalid_amount",
            param="amount_minor",
        )
    return int(text)


COLUMN_OF_PARAM: Final = {
    "payer.email": "payer_email",
    "payer.phone": "payer_phone",
    "payee.name": "payee_name",
    "payee.email": "payee_email",
    "payee.phone": "payee_phone",
}
"""Which column is at fault where an error names a request's nested field."""
