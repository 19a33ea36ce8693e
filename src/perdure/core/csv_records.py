"""CSV as RFC 4180 has it: records out of a file, one at a time, and cells that no spreadsheet runs.

What is not CSV is refused, never guessed at: where a quotation mark is missing, nobody can tell a
record from a line that is part of a field.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_optional_text

RECORD_BYTES_MAX: Final = 65_536
"""Longer than any that makes sense: most likely a quotation mark was left open."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")

_QUOTED_FIELD: Final = re.compile(r'(?:^|(?<=,))"(?:[^"]|"")*"')

_RUN: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with (OWASP, CSV injection); the last four are those of full width."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a file.

    Args:
        line: The one it begins in, counted from 1.
    """

    line: int
    fields: list[str]

    @property
    def is_blank(self) -> bool:
        """Whether it is an empty line."""
        return not "".join(self.fields).strip() and len(self.fields) < 2

    def check_encoding(self) -> None:
        """Refuse bytes that are not UTF-8.

        Raises:
            InvalidInput: `invalid_encoding`.
        """
        try:
            "".join(self.fields).encode()
        except UnicodeEncodeError as error:
            byte = ord(error.object[error.start]) & 0xFF
            raise InvalidInput(
                f"The byte {byte:#x} is not UTF-8; save the file as UTF-8.", code="invalid_encoding"
            ) from None


def read_records(file: BinaryIO) -> Iterator[Record]:
    """Read a file's records, of the header too; a byte order mark is left out.

    What is not UTF-8 is for `Record.check_encoding` to tell, of its record alone.

    Raises:
        InvalidInput: `invalid_csv`: nothing can be said of what follows; `invalid_encoding`.
    """
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_record()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _not_csv(lines.begun_in, str(error)) from error
        # The library takes a quotation mark in a field that does not begin with one as it is.
        if '"' in lines.record and '"' in _QUOTED_FIELD.sub("", lines.record):
            raise _not_csv(lines.begun_in, "a quotation mark in a field that is not in such")
        yield Record(lines.begun_in, fields)


def check_records(file: BinaryIO) -> None:
    """Refuse a file that is not CSV from its beginning to its end; it is read from its beginning.

    Raises:
        InvalidInput: As `read_records`, and as `read_header`.
    """
    file.seek(0)
    records = read_records(file)
    read_header(records)
    for _ in records:
        pass
    file.seek(0)


def read_header(records: Iterator[Record]) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        InvalidInput: `invalid_header`: the fields are separated by something else than commas; or
            they are no texts.
    """
    header = next(records, Record(1, []))
    header.check_encoding()
    if len(header.fields) == 1:
        for name, separator in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
            if separator in header.fields[0]:
                raise InvalidInput(
                    f"The fields are separated by {name}; save the file with commas.",
                    code="invalid_header",
                )
    return [check_optional_text("the header line", name.strip()) for name in header.fields]


def harmless(cell: object) -> object:
    """Return a cell that no spreadsheet runs: a text that begins as a formula gets a ' before it.

    Numbers are left as they are.
    """
    if isinstance(cell, str) and (cell.startswith(_RUN) or cell.lstrip(" ").startswith(_RUN)):
        return f"'{cell}"
    return cell


class _Lines:
    """A file's lines as the standard library's reader wants them, their ends left on.

    A line is not held whole if it is too long, and neither is a record of many lines.

    Attributes:
        begun_in: The line that the record under way begins in.
        record: As much of it as was read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._record_bytes = 0
        self.begun_in, self.record = 1, ""

    def begin_record(self) -> None:
        """Say that the next line is a record's first."""
        self.begun_in, self.record = self._number + 1, ""
        self._record_bytes = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        content = self._file.readline(RECORD_BYTES_MAX + 1)
        if not content:
            raise StopIteration
        if not self._number:
            if content.startswith(_OF_UTF16):
                raise InvalidInput("The file is UTF-16; save it as UTF-8.", code="invalid_encoding")
            content = content.removeprefix(_BYTE_ORDER_MARK)
        self._number += 1
        self._record_bytes += len(content)
        if self._record_bytes > RECORD_BYTES_MAX:
            raise self._too_long(content)
        line = content.decode(errors="surrogateescape")
        self.record += line
        return line

    def _too_long(self, content: bytes) -> InvalidInput:
        if b"\r" in content and b"\n" not in content:
            return _carriage_returns(self.begun_in)
        return InvalidInput(
            f"The record that begins in line {self.begun_in} has more than {RECORD_BYTES_MAX}"
            " bytes: a quotation mark may be left open. Put it right, and import the file again.",
            code="invalid_csv",
        )


def _not_csv(line: int, problem: str) -> InvalidInput:
    if "new-line character" in problem:
        return _carriage_returns(line)
    return InvalidInput(
        f"The record that begins in line {line} is not CSV: {problem}. A field with a comma, a line"
        ' break or a quotation mark stands in quotation marks, each one inside it doubled ("").'
        " Put it right, and import the file again.",
        code="invalid_csv",
    )


def _carriage_returns(line: int) -> InvalidInput:
    return InvalidInput(
        f"Line {line} holds a carriage return (CR) that ends no line, as old Macintosh files have"
        " them; save the file with line ends of LF or CRLF.",
        code="invalid_csv",
    )
