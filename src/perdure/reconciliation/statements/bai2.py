"""BAI2, the cash management balance reporting of American banks: records with control totals."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Final

from perdure.reconciliation.statements.model import Beginning, End, Line, Part, wrong
from perdure.reconciliation.statements.text_lines import read_lines
from perdure.reconciliation.statements.values import (
    check_known_currency,
    read_short_date,
    references_of,
    text_of,
)

_OPENING: Final = "010"
_CLOSING: Final = "015"
_CURRENCY_USUAL: Final = "USD"
_UPDATE: Final = "1"
_INTERIM: Final = frozenset({"1", "3"})
"""A day that is not over: its entries come again with the final report."""
_RECORD_CHARACTERS_MAX: Final = 65_536


def read_bai2(file: BinaryIO, encoding: str) -> Iterator[Part]:
    """Yield what a file's accounts say; each account of each group is a statement.

    Raises:
        InvalidInput: It is not BAI2, or a total of it is wrong; names line and field.
    """
    reader = _Reader()
    for record in _records(file, encoding):
        yield from reader.take(record)
    reader.check_ended()


@dataclass(slots=True)
class _Record:
    """A record with its continuations.

    Args:
        rows: How many physical records it is.
    """

    line: int
    code: str
    text: str
    rows: int = 1

    def fields(self) -> list[str]:
        return self.text.split(",")


def _records(file: BinaryIO, encoding: str) -> Iterator[_Record]:
    under_way: _Record | None = None
    for number, text in read_lines(file, encoding):
        if not text.strip():
            continue
        code, _, rest = text.rstrip().partition(",")
        if code == "88" and under_way is not None:
            if len(under_way.text) > _RECORD_CHARACTERS_MAX:
                raise wrong(under_way.line, "88", "the record has no end.")
            joins = "," if under_way.text.endswith("/") else " "
            under_way.text = f"{under_way.text.removesuffix('/')}{joins}{rest}"
            under_way.rows += 1
            continue
        if under_way is not None:
            under_way.text = under_way.text.removesuffix("/")
            yield under_way
        under_way = _Record(number, code, rest)
    if under_way is not None:
        under_way.text = under_way.text.removesuffix("/")
        yield under_way


@dataclass(slots=True)
class _Totals:
    """What a section came to, to be compared with what its end says."""

    amount: int = 0
    sections: int = 0
    rows: int = 0

    def add(self, inner: "_Totals") -> None:
        self.amount += inner.amount
        self.sections += 1
        self.rows += inner.rows


@dataclass(slots=True)
class _Reader:
    """A file as it comes, record by record."""

    file: _Totals | None = None
    group: _Totals | None = None
    account: _Totals | None = None
    currency: str = _CURRENCY_USUAL
    group_currency: str = _CURRENCY_USUAL
    as_of: date | None = None
    closing_minor: int | None = None
    has_ended: bool = False

    def take(self, record: _Record) -> Iterator[Part]:
        """Take the next record; yields what is known whole."""
        if record.code == "01":
            self.file = _Totals(rows=record.rows)
        elif record.code == "02":
            self._group_begins(record)
        elif record.code == "03":
            yield self._account_begins(record)
        elif record.code == "16":
            yield from self._entry(record)
        elif record.code == "49":
            yield self._account_ends(record)
        elif record.code == "98":
            self._group_ends(record)
        elif record.code == "99":
            self._file_ends(record)
        else:
            raise wrong(record.line, "record code", f"{record.code[:10]!r} is none of BAI2.")

    def check_ended(self) -> None:
        """Refuse a file that was cut off."""
        if not self.has_ended:
            raise wrong(None, "99", "the file has no end; it may be cut off.")

    def _group_begins(self, record: _Record) -> None:
        if self.file is None:
            raise wrong(record.line, "02", "it stands before the file's first record, 01.")
        values = [*record.fields(), *[""] * 7]
        _, _, status, as_of, _, currency, modifier = values[:7]
        if status != _UPDATE:
            raise wrong(record.line, "group status", f"{status!r} is not 1: no update of balances.")
        if modifier in _INTERIM:
            raise wrong(
                record.line,
                "as-of-date modifier",
                f"{modifier!r} is an interim report; load the day's final one.",
                code="statement_not_final",
            )
        self.as_of = read_short_date(as_of, record.line, "as-of date")
        self.group_currency = check_known_currency(
            currency or _CURRENCY_USUAL, record.line, "currency"
        )
        self.group = _Totals(rows=record.rows)

    def _account_begins(self, record: _Record) -> Beginning:
        if self.group is None or self.account is not None:
            raise wrong(record.line, "03", "an account begins outside of a group, or in another.")
        account, currency, *summaries = [*record.fields(), ""]
        self.currency = check_known_currency(
            currency or self.group_currency, record.line, "currency"
        )
        self.account = _Totals(rows=record.rows)
        found = self._summaries(record, summaries)
        self.closing_minor = found.get(_CLOSING)
        if not account.strip():
            raise wrong(record.line, "account", "it has no number.")
        return Beginning(
            line=record.line,
            account=account.strip(),
            currency=self.currency,
            their_id=f"{self.as_of}/{account.strip()}",
            opening_minor=found.get(_OPENING),
            opening_on=self.as_of,
        )

    def _summaries(self, record: _Record, rest: list[str]) -> dict[str, int]:
        assert self.account is not None
        found: dict[str, int] = {}
        while any(rest):
            if not rest[0]:  # some banks end a record with a comma too many
                rest = rest[1:]
                continue
            code, text, _, funds, *rest = [*rest, "", "", ""]
            amount = _number(text, record.line, f"amount of {code}") if text.strip() else 0
            found |= {code: amount} if text.strip() else {}
            self.account.amount += amount
            rest = rest[_availability(funds, rest, record.line) :]
        return found

    def _entry(self, record: _Record) -> Iterator[Line]:
        if self.account is None or self.as_of is None:
            raise wrong(record.line, "16", "an entry stands outside of an account.")
        code, text, funds, *rest = [*record.fields(), "", ""]
        amount = _number(text, record.line, "amount") if text.strip() else 0
        self.account.amount += amount
        self.account.rows += record.rows
        rest = rest[_availability(funds, rest, record.line) :]
        bank, customer, *told = [*rest, "", ""]
        sign = _sign(code, record.line)
        if not sign or not amount:
            return
        yield Line(
            line=record.line,
            booked_on=self.as_of,
            amount_minor=sign * amount,
            currency=self.currency,
            references=references_of([bank, customer], [",".join(told)]),
            their_id=bank.strip() or None,
            description=text_of(",".join(told).rstrip(",")),
        )

    def _account_ends(self, record: _Record) -> End:
        if self.account is None or self.group is None:
            raise wrong(record.line, "49", "it ends an account that has not begun.")
        self.account.rows += record.rows
        total, rows = [*record.fields(), ""][:2]
        _check(record.line, "account control total", total, self.account.amount)
        _check(record.line, "number of records", rows, self.account.rows)
        self.group.add(self.account)
        self.account = None
        return End(line=record.line, closing_minor=self.closing_minor, to_on=self.as_of)

    def _group_ends(self, record: _Record) -> None:
        if self.group is None or self.file is None or self.account is not None:
            raise wrong(record.line, "98", "it ends a group that has not begun, or an account.")
        self.group.rows += record.rows
        total, accounts, rows = [*record.fields(), "", ""][:3]
        _check(record.line, "group control total", total, self.group.amount)
        _check(record.line, "number of accounts", accounts, self.group.sections)
        _check(record.line, "number of records", rows, self.group.rows)
        self.file.add(self.group)
        self.group = None

    def _file_ends(self, record: _Record) -> None:
        if self.file is None or self.group is not None:
            raise wrong(record.line, "99", "it ends a file that has not begun, or a group.")
        self.file.rows += record.rows
        total, groups, rows = [*record.fields(), "", ""][:3]
        _check(record.line, "file control total", total, self.file.amount)
        _check(record.line, "number of groups", groups, self.file.sections)
        _check(record.line, "number of records", rows, self.file.rows)
        self.has_ended = True


def _availability(funds: str, rest: list[str], line: int) -> int:
    """Return how many fields say when the money is to be had."""
    if funds == "S":
        return 3
    if funds == "V":
        return 2
    if funds == "D":
        return 1 + 2 * _number(rest[0] if rest else "", line, "number of distributions")
    return 0


def _sign(code: str, line: int) -> int:
    """Return whether a type of entry brings money in or takes it out; 0: it moves none."""
    if not (code.isascii() and code.isdigit() and len(code) == 3):
        raise wrong(line, "type code", f"{code[:10]!r} is not one of three digits.")
    number = int(code)
    if 100 <= number < 400:
        return 1
    if 400 <= number < 700:
        return -1
    return 0


def _number(text: str, line: int, name: str) -> int:
    digits = text.strip().removeprefix("+")
    unsigned = digits.removeprefix("-")
    if not (unsigned.isascii() and unsigned.isdigit() and len(unsigned) <= 18):
        raise wrong(line, name, f"{text[:40]!r} is not a whole number of minor units.")
    return int(digits)


def _check(line: int, name: str, said: str, found: int) -> None:
    if said.strip() and _number(said, line, name) != found:
        raise wrong(
            line, name, f"it says {said.strip()}, and comes to {found}.", code="statement_sum"
        )
