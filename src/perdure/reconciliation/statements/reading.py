"""A file of statements read and checked: what it says agrees with itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Final

from perdure.core.errors import InvalidInput
from perdure.reconciliation.statements.bai2 import read_bai2
from perdure.reconciliation.statements.camt053 import read_camt053
from perdure.reconciliation.statements.model import (
    Beginning,
    End,
    Line,
    Part,
    StatementFormat,
    wrong,
)
from perdure.reconciliation.statements.mt940 import read_mt940

Read = Callable[[BinaryIO, str], Iterator[Part]]
"""Reads a file, given how it is encoded."""

READERS: Final[dict[StatementFormat, Read]] = {
    StatementFormat.CAMT053: read_camt053,
    StatementFormat.MT940: read_mt940,
    StatementFormat.BAI2: read_bai2,
}
"""CSV is read by the account's own mapping."""

_HEAD_BYTES: Final = 4096


def format_of(file: BinaryIO) -> StatementFormat:
    """Return how a file is written, by how it begins; it is read from its beginning again.

    Raises:
        InvalidInput: It is empty.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    # UTF-16, which XML may be in, has a zero beside each letter.
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    if not text:
        raise InvalidInput("The file is empty.", code="invalid_statement", param="file")
    if text.startswith(b"<"):
        return StatementFormat.CAMT053
    if text.startswith(b"01,"):
        return StatementFormat.BAI2
    if text.startswith((b"{1:", b":20:", b"{4:")) or b"\n:20:" in text:
        return StatementFormat.MT940
    return StatementFormat.CSV


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A statement's end, with what it came to.

    Args:
        opening_minor, closing_minor: None where the file says neither, and nothing says it.
        from_on, to_on: The days of its lines, or of its balances.
    """

    line: int
    opening_minor: int | None
    closing_minor: int | None
    from_on: date
    to_on: date
    lines: int


def checked(parts: Iterator[Part]) -> Iterator[Beginning | Line | Closed]:
    """Yield what a file says, and refuse it where it does not agree with itself.

    Raises:
        InvalidInput: `statement_sum`: opening and entries do not come to closing; `currency`: an
            entry in another one; names line and field.
    """
    sums = _Sums()
    for part in parts:
        if isinstance(part, Beginning):
            sums = _Sums(part)
            yield part
        elif isinstance(part, Line):
            sums.add(part)
            yield part
        else:
            yield sums.closed(part)


class _Sums:
    def __init__(self, begun: Beginning | None = None) -> None:
        self._begun = begun
        self._amount_minor = 0
        self._lines = 0
        self._days: tuple[date, date] | None = None

    def add(self, line: Line) -> None:
        begun = self._begun
        assert begun is not None, "a reader yields a beginning first"
        if line.currency != begun.currency:
            raise wrong(
                line.line,
                "currency",
                f"it is in {line.currency}, and the account in {begun.currency}.",
                code="currency_mismatch",
            )
        self._amount_minor += line.amount_minor
        self._lines += 1
        first, last = self._days or (line.booked_on, line.booked_on)
        self._days = min(first, line.booked_on), max(last, line.booked_on)

    def closed(self, end: End) -> Closed:
        begun = self._begun
        assert begun is not None, "a reader yields a beginning first"
        opening, closing = begun.opening_minor, end.closing_minor
        if opening is not None and closing is not None and opening + self._amount_minor != closing:
            raise wrong(
                end.line,
                "closing balance",
                f"{opening} and {self._lines} entries of {self._amount_minor} in all come to"
                f" {opening + self._amount_minor} minor units, not {closing}.",
                code="statement_sum",
            )
        if opening is None and closing is not None:
            opening = closing - self._amount_minor
        elif closing is None and opening is not None:
            closing = opening + self._amount_minor
        first, last = self._days or (None, None)
        to_on = end.to_on or last
        if to_on is None:
            raise wrong(end.line, "closing balance", "nothing says of which day it is.")
        return Closed(
            line=end.line,
            opening_minor=opening,
            closing_minor=closing,
            from_on=min(first or to_on, begun.opening_on or to_on, to_on),
            to_on=max(to_on, last or to_on),
            lines=self._lines,
        )
