"""camt.053, ISO 20022's customer statement: read as it comes, with nothing of XML that bites.

What has a document type is refused, so there are no entities to grow and none to fetch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO, Final
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from perdure.core.errors import InvalidInput
from perdure.core.times import read_date
from perdure.reconciliation.statements.model import Beginning, End, Line, Part, wrong
from perdure.reconciliation.statements.values import (
    REFERENCES_MAX,
    check_known_currency,
    read_amount,
    references_of,
    text_of,
)

_CHUNK_BYTES: Final = 65_536
_TEXT_CHARACTERS_MAX: Final = 65_536
_DEPTH_MAX: Final = 64

_ROOT: Final = ("Document", "BkToCstmrStmt")
_OTHERS: Final = {
    "BkToCstmrAcctRpt": "a camt.052, an interim report",
    "BkToCstmrDbtCdtNtfctn": "a camt.054, a notification",
}
_NAMES: Final = (
    "AcctSvcrRef", "NtryRef", "EndToEndId", "InstrId", "TxId", "PmtInfId", "MsgId", "ChqNb",
    "CdtrRefInf/Ref", "UETR",
)  # fmt: skip
"""The references of an entry, by the ends of their paths."""
_TEXTS: Final = ("RmtInf/Ustrd", "AddtlNtryInf", "AddtlTxInf")
_DATES: Final = ("Dt", "DtTm")


def read_camt053(file: BinaryIO, _: str) -> Iterator[Part]:
    """Yield what a file's statements say. XML says itself how it is encoded.

    Raises:
        InvalidInput: It is not camt.053, or has a document type; names line and field.
    """
    handler = _Handler()
    parser: Any = DefusedExpatParser(forbid_dtd=True)
    parser.setFeature(feature_namespaces, False)
    parser.setContentHandler(handler)
    # It knows where it is; `feed`, unlike `parse`, does not say so.
    handler.setDocumentLocator(parser)
    parser.setErrorHandler(_Errors())
    while chunk := file.read(_CHUNK_BYTES):
        _fed(parser.feed, chunk)
        yield from handler.taken()
    _fed(parser.close)
    yield from handler.taken()
    if not handler.count:
        raise wrong(None, "Stmt", "there is no statement in it.")


def _fed(step: Any, *given: bytes) -> None:
    try:
        step(*given)
    except DefusedXmlException:
        raise wrong(
            None, "DOCTYPE", "a statement has no document type, and none is read.", code=_UNSAFE
        ) from None
    except SAXParseException as error:
        raise wrong(
            error.getLineNumber(), "XML", f"it is not well-formed: {error.getMessage()}."
        ) from None


_UNSAFE: Final = "unsafe_xml"


class _Errors:
    """Has whatever is wrong be raised."""

    def error(self, exception: Exception) -> None:
        raise exception

    fatalError = error  # noqa: N815 - as SAX calls it

    def warning(self, exception: Exception) -> None:
        """Say nothing."""


@dataclass(slots=True)
class _Element:
    """What an element says that is read as a whole: by paths within it, the first of each, or all.

    Args:
        texts: By the path, in the order in which they came.
    """

    line: int
    texts: dict[str, list[str]] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)

    def first(self, *paths: str) -> str | None:
        for path in paths:
            if found := self.texts.get(path):
                return found[0]
        return None


class _Handler(ContentHandler):
    """Makes of XML's events what a statement says.

    Attributes:
        count: How many statements have begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._path: list[str] = []
        self._text = ""
        self._found: list[Part] = []
        self._statement: _Statement | None = None
        self._locator: Any = None

    def taken(self) -> list[Part]:
        """Return what was found since the last time."""
        found, self._found = self._found, []
        return found

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802 - as SAX calls it
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        name = name.rpartition(":")[2]
        self._path.append(name)
        self._text = ""
        depth, line = len(self._path), self._locator.getLineNumber()
        if depth > _DEPTH_MAX:
            raise wrong(line, name, "it is nested too deeply.")
        if depth <= len(_ROOT) and name != _ROOT[depth - 1]:
            other = _OTHERS.get(name)
            told = f"it is {other}; load the camt.053." if other else "it is no camt.053."
            raise wrong(line, name, told)
        if depth == 3 and name == "Stmt":
            self.count += 1
            self._statement = _Statement(line)
        elif self._statement is not None and depth > 3:
            if depth == 4 and name == "Ntry":
                self._found += self._statement.begun()
            self._statement.begin(self._path[3:], line, attrs.get("Ccy"))

    def characters(self, content: str) -> None:
        self._text += content
        if len(self._text) > _TEXT_CHARACTERS_MAX:
            raise wrong(self._locator.getLineNumber(), self._path[-1], "the text is too long.")

    def endElement(self, name: str) -> None:  # noqa: ARG002, N802 - the path's last
        depth, line = len(self._path), self._locator.getLineNumber()
        statement = self._statement
        if statement is not None and depth > 3:
            statement.end(self._path[3:], self._text.strip())
            if depth == 4 and self._path[3] == "Ntry":
                self._found += statement.entry()
        elif statement is not None and depth == 3:
            self._found += statement.begun()
            self._found.append(statement.ended(line))
            self._statement = None
        self._path.pop()
        self._text = ""


class _Statement:
    """One statement, as far as it was read."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._head = _Element(line)
        self._balances: dict[str, tuple[int, date]] = {}
        self._part = self._head
        self._has_begun = False
        self._currency = ""

    def begin(self, path: list[str], line: int, currency: str | None) -> None:
        """Begin an element of the statement; `path` is within it."""
        if len(path) == 1:
            self._part = _Element(line) if path[0] in ("Bal", "Ntry") else self._head
        if currency is not None:
            self._part.currencies.setdefault(self._within(path), currency)

    def end(self, path: list[str], text: str) -> None:
        """End an element, whose text is known now."""
        if len(path) == 1 and path[0] == "Bal":
            self._balance(self._part)
        elif text:
            kept = self._part.texts.setdefault(self._within(path), [])
            if len(kept) < REFERENCES_MAX:
                kept.append(text)

    def _within(self, path: list[str]) -> str:
        return "/".join(path if self._part is self._head else path[1:])

    def _balance(self, found: _Element) -> None:
        code = found.first("Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry") or ""
        if code in self._balances and code != "ITBD":
            raise wrong(found.line, "Bal", f"there are two balances {code}.")
        amount_minor, on = _amount(found, "Bal"), _day(found, "Dt", "Bal/Dt")
        self._currency = found.currencies["Amt"]
        # Of a statement in pages: the first is what was, the last what is.
        if code == "ITBD":
            self._balances.setdefault("first ITBD", (amount_minor, on))
        self._balances[code] = (amount_minor, on)

    def begun(self) -> Iterator[Part]:
        """Yield the beginning, once."""
        if self._has_begun:
            return
        self._has_begun = True
        head = self._head
        account = head.first("Acct/Id/IBAN", "Acct/Id/Othr/Id")
        if account is None:
            raise wrong(self._line, "Acct/Id", "the statement does not say whose account it is.")
        # Not every bank says the account's; its balances are in it.
        currency = head.first("Acct/Ccy") or self._currency
        check_known_currency(currency, self._line, "Acct/Ccy")
        sequence = head.first("ElctrncSeqNb", "LglSeqNb")
        opening = self._one_of("OPBD", "PRCD", "first ITBD")
        yield Beginning(
            line=self._line,
            account=account,
            currency=currency,
            their_id=head.first("Id"),
            sequence=int(sequence) if sequence and sequence.isdigit() else None,
            opening_minor=opening and opening[0],
            opening_on=opening and opening[1],
        )

    def _one_of(self, *codes: str) -> tuple[int, date] | None:
        return next((self._balances[code] for code in codes if code in self._balances), None)

    def entry(self) -> Iterator[Part]:
        """Yield the entry that has just ended, if it is booked."""
        found = self._part
        if (found.first("Sts", "Sts/Cd") or "BOOK") != "BOOK":
            return
        amount_minor = _amount(found, "Ntry")
        if not amount_minor:
            return
        names = [
            text for path, texts in found.texts.items() if path.endswith(_NAMES) for text in texts
        ]
        texts = [
            text for path, told in found.texts.items() if path.endswith(_TEXTS) for text in told
        ]
        has_value = any(f"ValDt/{name}" in found.texts for name in _DATES)
        yield Line(
            line=found.line,
            booked_on=_day(found, "BookgDt", "BookgDt"),
            value_on=_day(found, "ValDt", "ValDt") if has_value else None,
            amount_minor=amount_minor,
            currency=found.currencies["Amt"],
            references=references_of(names, texts),
            their_id=found.first("AcctSvcrRef", "NtryRef"),
            description=text_of(*texts),
        )

    def ended(self, line: int) -> End:
        """Return the end."""
        closing = self._one_of("CLBD", "ITBD")
        if closing is None:
            raise wrong(self._line, "Bal", "the statement has no closing balance (CLBD).")
        return End(line=line, closing_minor=closing[0], to_on=closing[1])


def _amount(found: _Element, what: str) -> int:
    currency = check_known_currency(found.currencies.get("Amt", ""), found.line, f"{what}/Amt@Ccy")
    text, mark = found.first("Amt") or "", found.first("CdtDbtInd")
    if mark not in ("CRDT", "DBIT"):
        raise wrong(found.line, f"{what}/CdtDbtInd", f"{mark!r} is neither CRDT nor DBIT.")
    amount_minor = read_amount(text, currency, decimal=".", line=found.line, field=f"{what}/Amt")
    return amount_minor if mark == "CRDT" else -amount_minor


def _day(found: _Element, path: str, name: str) -> date:
    text = found.first(*(f"{path}/{one}" for one in _DATES)) or ""
    try:
        # A day may have a zone, and a moment is of its own zone's day.
        return read_date(name, text[:10])
    except InvalidInput:
        raise wrong(found.line, name, f"{text[:40]!r} is not a day.") from None
