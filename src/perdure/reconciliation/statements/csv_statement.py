"""CSV, as the bank's own mapping says; a column of balances is checked from line to line."""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from typing import BinaryIO, Final

from perdure.core.csv_records import RECORD_BYTES_MAX
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.reconciliation.statements.model import Beginning, End, Line, Part, wrong
from perdure.reconciliation.statements.text_lines import read_lines
from perdure.reconciliation.statements.values import (
    check_known_currency,
    read_amount,
    references_of,
    text_of,
)

_MINUS: Final = "\u2212"
"""The sign that is no hyphen."""


class CsvStatements:
    """Reads one account's CSV.

    Args:
        account: Whose it is: CSV does not say.
        currency: Of the account.
    """

    def __init__(self, columns: CsvColumns, account: str, currency: str) -> None:
        self._columns = columns
        self._account = account
        self._currency = currency

    def read(self, file: BinaryIO, encoding: str) -> Iterator[Part]:
        """Yield what the file says: it is one statement.

        Raises:
            InvalidInput: It is not as the mapping says; names line and field.
        """
        lines = _Lines(file, encoding, self._columns.skip_lines)
        reader = csv.reader(lines, delimiter=self._columns.delimiter, strict=True)
        records = _records(reader, lines)
        header = [name.strip() for name in next(records, (0, []))[1]]
        for name in self._columns.names:
            if header.count(name) != 1:
                told = "is there twice" if name in header else "is not there"
                raise wrong(
                    self._columns.skip_lines + 1,
                    name,
                    f"the column {told}; the header has {', '.join(header)[:200]}.",
                    code="invalid_header",
                )
        yield from self._statement(header, records)

    def _statement(
        self, header: list[str], records: Iterator[tuple[int, list[str]]]
    ) -> Iterator[Part]:
        balances, latest, has_begun = _Balances(), date.min, False
        number = 1
        for number, fields in records:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                told = f"it has {len(fields)} fields, the header {len(header)}."
                raise wrong(number, "record", told)
            row = dict(zip(header, (field.strip() for field in fields), strict=True))
            line = self._line(row, number)
            balance = self._balance(row, number)
            if not has_begun:
                has_begun = True
                balances.first(balance, line.amount_minor)
                yield Beginning(
                    line=number,
                    account=self._account,
                    currency=self._currency,
                    opening_on=line.booked_on,
                )
            else:
                balances.check(balance, line.amount_minor, number)
            latest = max(latest, line.booked_on)
            if line.amount_minor:
                yield line
        if not has_begun:
            raise wrong(number, "record", "there is no entry in it.")
        yield End(line=number, closing_minor=balances.closing, to_on=latest)

    def _line(self, row: dict[str, str], number: int) -> Line:
        columns = self._columns
        currency = row[columns.currency] if columns.currency else self._currency
        check_known_currency(currency, number, columns.currency or "currency")
        references = [row[name] for name in columns.references]
        told = [row[name] for name in columns.description]
        return Line(
            line=number,
            booked_on=self._day(row, columns.booked_on, number),
            value_on=self._day(row, columns.value_on, number) if columns.value_on else None,
            amount_minor=self._amount(row, currency, number) * (-1 if columns.negate else 1),
            currency=currency,
            references=references_of(references, told),
            their_id=(row[columns.id] or None) if columns.id else None,
            description=text_of(*told),
        )

    def _amount(self, row: dict[str, str], currency: str, number: int) -> int:
        columns = self._columns
        if columns.amount is None:
            assert columns.debit is not None
            assert columns.credit is not None
            out, came_in = row[columns.debit], row[columns.credit]
            if bool(out) == bool(came_in):
                raise wrong(number, columns.debit, "give a debit or a credit, and not both.")
            field = columns.debit if out else columns.credit
            amount_minor = abs(self._signed(row[field], currency, number, field))
            return -amount_minor if out else amount_minor
        amount_minor = self._signed(row[columns.amount], currency, number, columns.amount)
        if columns.side is None:
            return amount_minor
        return abs(amount_minor) if row[columns.side] in columns.credits else -abs(amount_minor)

    def _balance(self, row: dict[str, str], number: int) -> int | None:
        name = self._columns.balance
        if name is None or not row[name]:
            return None
        return self._signed(row[name], self._currency, number, name)

    def _signed(self, text: str, currency: str, number: int, field: str) -> int:
        decimal = self._columns.decimal
        plain = "".join(text.replace("'", "").split())
        is_negative = plain.startswith(("-", _MINUS)) or plain.endswith("-")
        plain = plain.strip(f"+-{_MINUS}").replace("," if decimal == "." else ".", "")
        amount_minor = read_amount(plain, currency, decimal=decimal, line=number, field=field)
        return -amount_minor if is_negative else amount_minor

    def _day(self, row: dict[str, str], name: str, number: int) -> date:
        try:
            return datetime.strptime(row[name], self._columns.date_format).date()  # noqa: DTZ007
        except ValueError:
            told = f"{row[name][:20]!r} is not a day as {self._columns.date_format}."
            raise wrong(number, name, told) from None


class _Balances:
    """A column of balances, of the newest entry first or last."""

    def __init__(self) -> None:
        self._previous: tuple[int | None, int] = (None, 0)
        self._first: int | None = None
        self._newest_first: bool | None = None

    def first(self, balance: int | None, amount_minor: int) -> None:
        self._first = balance
        self._previous = balance, amount_minor

    def check(self, balance: int | None, amount_minor: int, line: int) -> None:
        before, amount_before = self._previous
        self._previous = balance, amount_minor
        if balance is None or before is None:
            return
        up = before + amount_minor == balance
        down = before - amount_before == balance
        if self._newest_first is None and up != down:
            self._newest_first = down
        if not (down if self._newest_first else up or (self._newest_first is None and down)):
            raise wrong(
                line,
                "balance",
                f"it says {balance} minor units, which does not follow from the line before.",
                code="statement_sum",
            )

    @property
    def closing(self) -> int | None:
        """What is on the account in the end; None: it does not say."""
        return self._first if self._newest_first else self._previous[0]


class _Lines:
    """A file's lines as the standard library's reader wants them.

    Attributes:
        number: Of the line that was read last.
    """

    def __init__(self, file: BinaryIO, encoding: str, skip: int) -> None:
        self._lines = read_lines(file, encoding)
        self.number = 0
        self.record_characters = 0
        for _ in range(skip):
            self.number, _text = next(self._lines, (self.number, ""))

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.number, text = next(self._lines)
        self.record_characters += len(text)
        if self.record_characters > RECORD_BYTES_MAX:
            raise wrong(self.number, "record", "it has no end; a quotation mark may be left open.")
        return f"{text}\n"


def _records(reader: "Iterator[list[str]]", lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """Yield records with the line that each begins in."""
    while True:
        begun_in, lines.record_characters = lines.number + 1, 0
        try:
            yield begun_in, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise wrong(
                begun_in, "record", f"it is not CSV: {error}.", code="invalid_csv"
            ) from None
