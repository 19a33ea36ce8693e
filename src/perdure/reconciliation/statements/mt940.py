"""MT940, SWIFT's customer statement: message by message, field by field."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO, Final

from perdure.reconciliation.statements.model import Beginning, End, Line, Part, wrong
from perdure.reconciliation.statements.text_lines import read_lines
from perdure.reconciliation.statements.values import (
    check_known_currency,
    read_amount,
    read_short_date,
    references_of,
    text_of,
)

_TAG: Final = re.compile(r":(\d{2}[A-Z]?|NS):(.*)")
_AROUND: Final = re.compile(r"-(\}.*)?\s*$|\{|:\d{3}:|[\x00-\x08]")
"""The ends and the envelopes of messages."""
_NUMBER: Final = re.compile(r"(\d{1,9})(?:/(\d{1,9}))?")
_BALANCE: Final = re.compile(r"([DC])(\d{6})([A-Z]{3})([\d,]{1,20})")
_ENTRY: Final = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?(?P<mark>R?[CD])(?P<funds>[A-Z])?\n?(?P<amount>[\d,]{1,20})"
    r"(?P<type>[A-Z][A-Z0-9]{3})?(?P<reference>[^\n]*?)(?://(?P<bank>[^\n]*))?(?:\n(?P<more>.*))?",
    re.DOTALL,
)
_SIGN: Final = {"C": 1, "D": -1, "RC": -1, "RD": 1}
"""A reversal of a credit takes money out."""
_WORD: Final = re.compile(
    r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC|PURP|COAM|OAMT|BREF|RREF|RETP)\+"
)
"""What German banks put before each part of what they say of an entry."""
_REFERENCES: Final = frozenset({"EREF", "KREF", "BREF", "RREF"})
_SLASHED: Final = re.compile(r"/(?:EREF|ROC|PREF)/([^/]{1,70})")
"""The same, as others have it."""
_SUBFIELD: Final = re.compile(r"\?\d\d")
_FIELD_CHARACTERS_MAX: Final = 20_000


def read_mt940(file: BinaryIO, encoding: str) -> Iterator[Part]:
    """Yield what a file's statements say; each message is one.

    Raises:
        InvalidInput: It is not MT940; names line and field.
    """
    message = _Message()
    for field in _fields(file, encoding):
        yield from message.take(field)
    yield from message.done()
    if not message.count:
        raise wrong(None, "file", "there is no statement in it.")


@dataclass(frozen=True, slots=True)
class _Field:
    line: int
    tag: str
    text: str


def _fields(file: BinaryIO, encoding: str) -> Iterator[_Field]:
    """Yield fields, with the lines that they go on in; what is around messages is left out."""
    under_way: _Field | None = None
    for number, text in read_lines(file, encoding):
        if match := _TAG.fullmatch(text.rstrip()):
            if under_way is not None:
                yield under_way
            under_way = _Field(number, match[1], match[2])
        elif _AROUND.match(text):
            if under_way is not None:
                yield under_way
            under_way = None
        elif under_way is None or not text.strip():
            continue  # what banks put between two messages
        elif len(under_way.text) > _FIELD_CHARACTERS_MAX:
            raise wrong(under_way.line, f":{under_way.tag}:", "the field has no end.")
        else:
            under_way = replace(under_way, text=f"{under_way.text}\n{text.rstrip()}")
    if under_way is not None:
        yield under_way


class _Message:
    """A message as it comes, field by field.

    Attributes:
        count: How many have begun.
    """

    def __init__(self) -> None:
        self.count = 0
        self._begin(0, "")

    def _begin(self, line: int, name: str) -> None:
        self._line, self._name = line, name
        self._account = ""
        self._number: tuple[int, int] | None = None
        self._currency = ""
        self._entry: Line | None = None
        self._is_open = False
        self._has_begun = bool(line)

    def take(self, field: _Field) -> Iterator[Part]:
        """Take the next field; yields what is known whole."""
        tag = field.tag
        if tag == "20":
            yield from self.done()
            self._begin(field.line, field.text)
            return
        if not self._has_begun:
            raise wrong(field.line, f":{tag}:", "it stands before the message's first field, :20:.")
        if tag in ("25", "25P"):
            self._account = field.text.split("\n")[0].strip()
        elif tag in ("28", "28C"):
            match = _NUMBER.match(field.text.strip())
            self._number = (int(match[1]), int(match[2] or 1)) if match else None
        elif tag in ("60F", "60M", "60"):
            yield self._opened(field)
        elif tag == "61":
            yield from self._entry_done()
            self._entry = self._entry_of(field)
        elif tag == "86" and self._entry is not None:
            self._entry = _with_details(self._entry, field.text)
        elif tag in ("62F", "62M", "62"):
            yield from self._entry_done()
            yield self._closed(field)

    def done(self) -> Iterator[Part]:
        """Yield what is left; refuses a message that was cut off."""
        yield from self._entry_done()
        if self._is_open:
            raise wrong(self._line, ":62F:", "the message has no closing balance.")

    def _opened(self, field: _Field) -> Beginning:
        if not self._account:
            raise wrong(field.line, ":25:", "the message does not say whose account it is.")
        self.count += 1
        amount_minor, on, self._currency = _balance(field)
        number, page = self._number or (0, 1)
        self._is_open = True
        return Beginning(
            line=self._line,
            account=self._account,
            currency=self._currency,
            # Numbers begin anew each year, and some banks call each the same.
            their_id=f"{on.isoformat()}/{number}/{page}/{self._name.strip()}" if number else None,
            sequence=number if number and page == 1 and field.tag != "60M" else None,
            opening_minor=amount_minor,
            opening_on=on,
        )

    def _entry_of(self, field: _Field) -> Line:
        if not self._is_open:
            raise wrong(field.line, ":61:", "it stands before the opening balance, :60F:.")
        match = _ENTRY.fullmatch(field.text)
        if match is None:
            raise wrong(field.line, ":61:", f"{field.text[:60]!r} is not an entry.")
        value_on = read_short_date(_in_the_month(match["value"]), field.line, ":61:")
        amount_minor = read_amount(
            match["amount"], self._currency, decimal=",", line=field.line, field=":61:"
        )
        bank = (match["bank"] or "").strip()
        more = match["more"] or ""
        return Line(
            line=field.line,
            booked_on=_entry_date(value_on, match["entry"], field.line),
            value_on=value_on,
            amount_minor=_SIGN[match["mark"]] * amount_minor,
            currency=self._currency,
            references=references_of([match["reference"] or "", bank], [more]),
            their_id=bank or None,
            description=text_of(more),
        )

    def _entry_done(self) -> Iterator[Part]:
        if self._entry is not None:
            yield self._entry
        self._entry = None

    def _closed(self, field: _Field) -> End:
        if not self._is_open:
            raise wrong(field.line, f":{field.tag}:", "it closes what was not opened.")
        amount_minor, on, currency = _balance(field)
        if currency != self._currency:
            raise wrong(
                field.line,
                f":{field.tag}:",
                f"it closes in {currency} what was opened in {self._currency}.",
            )
        self._is_open = False
        return End(line=field.line, closing_minor=amount_minor, to_on=on)


def _balance(field: _Field) -> tuple[int, date, str]:
    name = f":{field.tag}:"
    match = _BALANCE.fullmatch(field.text.strip())
    if match is None:
        raise wrong(field.line, name, f"{field.text[:40]!r} is not a balance.")
    currency = check_known_currency(match[3], field.line, name)
    amount_minor = read_amount(match[4], currency, decimal=",", line=field.line, field=name)
    sign = _SIGN[match[1]]
    return sign * amount_minor, read_short_date(match[2], field.line, name), currency


def _entry_date(value_on: date, entry: str | None, line: int) -> date:
    """Return the day an entry was booked, which is written without its year."""
    if entry is None:
        return value_on
    found = None
    for year in (value_on.year, value_on.year - 1, value_on.year + 1):
        try:
            on = date(year, int(entry[:2]), int(entry[2:]))
        except ValueError:
            continue
        if found is None or abs(on - value_on) < abs(found - value_on):
            found = on
    if found is None:
        raise wrong(line, ":61:", f"{entry!r} is not a day written MMDD.")
    return found


def _in_the_month(text: str) -> str:
    """Return a day that there is: where months have 30 days, banks send the 30th of February."""
    return f"{text[:4]}28" if text[2:4] == "02" and text[4:] in ("29", "30") else text


def _with_details(entry: Line, text: str) -> Line:
    flat = _SUBFIELD.sub("", text.replace("\n", ""))
    said, *words = _WORD.split(flat)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    named = [match[1] for match in _SLASHED.finditer(flat)]
    named += [value for word, value in pairs if word in _REFERENCES]
    return replace(
        entry,
        references=references_of(
            [*entry.references, *named], [said, *(value for _, value in pairs)]
        ),
        description=text_of(entry.description, _SUBFIELD.sub(" ", text)),
    )
