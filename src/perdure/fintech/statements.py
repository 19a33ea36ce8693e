"""The bank's statements of the demo, and what is planted in them."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from html import escape
from io import StringIO
from typing import Any, Final

from perdure.core.money import format_amount
from perdure.fintech.people import CURRENCIES, iban_of
from perdure.reconciliation.matching.items import BreakClass

DOLLARS, EUROS = CURRENCIES
SOURCES: Final = {DOLLARS: "DEMO-USD-001", EUROS: iban_of(0)}
"""What the bank calls the house's account in each currency."""
TERMS: Final[dict[str, dict[str, Any]]] = {
    DOLLARS: {
        "timing_days": 2,
        "columns": {
            "booked_on": "Date",
            "amount": "Amount",
            "balance": "Balance",
            "id": "Id",
            "references": ["Reference"],
            "description": ["Text"],
        },
    },
    # Euros are there at once, or not at all.
    EUROS: {"timing_days": 0},
}
"""How each is compared, and how its CSV is written; euros come as camt.053."""
_EARLIER: Final = timedelta(days=5)
"""So long before we knew of it the bank had what is `late`."""
SINCE: Final = timedelta(days=7)
"""So far back is compared."""
_TOO_MUCH_MINOR: Final = 100

Planted = tuple[BreakClass, str]
"""What is planted, and the reference of what it is planted on."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the bank has on the house's account.

    Args:
        reference: What was said of it: an id of ours, or what the bank calls it.
        amount_minor: Positive: money came in.
    """

    reference: str
    currency: str
    amount_minor: int
    booked_on: date
    text: str


@dataclass(frozen=True, slots=True)
class Planting:
    """The bank's lines, in which something is wrong.

    Args:
        planted: What, in all.
    """

    lines: list[Line]
    planted: list[Planted]

    @property
    def day(self) -> date:
        """The last one of which there is something."""
        return max(line.booked_on for line in self.lines)

    @property
    def rebooked(self) -> list[str]:
        """The payouts that the bank's own books have in another currency."""
        return [name for break_class, name in self.planted if break_class is BreakClass.CURRENCY]

    def of(self, currency: str) -> list[Line]:
        """Return the lines of an account."""
        return _of(self.lines, currency)


def plant(
    deposits: Sequence[Line], payouts: Sequence[Line], received: Sequence[Line], *, of_each: int
) -> Planting:
    """Plant as many breaks of each class among what really happened.

    Args:
        deposits: What was paid in first.
        payouts: What customers sent, of which there are enough of each currency.
        received: What arrived of it.
    """
    fates = {
        line.reference: break_class
        for of, currency, classes in (
            (deposits, DOLLARS, _OF_DEPOSITS),
            (payouts, DOLLARS, _OF_PAYOUTS),
            (payouts, EUROS, _OF_INSTANT_PAYOUTS),
        )
        for line, break_class in zip(_of(of, currency), classes * of_each, strict=False)
    }
    told = [
        line
        for one in (*deposits, *payouts, *received)
        for line in (_WRONG[fates[one.reference]](one) if one.reference in fates else [one])
    ]
    on = max(line.booked_on for line in told)
    interest = [
        Line(f"INTEREST-{place}", DOLLARS, 17 + place, on, "Interest") for place in range(of_each)
    ]
    return Planting(
        # What the bank had earlier stands before.
        sorted([*told, *interest], key=lambda line: line.booked_on),
        [
            *((break_class, reference) for reference, break_class in fates.items()),
            *((BreakClass.MISSING_HERE, line.reference) for line in interest),
        ],
    )


_OF_DEPOSITS: Final = (BreakClass.LATE,)
_OF_PAYOUTS: Final = (
    *(BreakClass.TIMING, BreakClass.AMOUNT, BreakClass.DUPLICATE),
    *(BreakClass.SIGN, BreakClass.CURRENCY),
)
_OF_INSTANT_PAYOUTS: Final = (BreakClass.MISSING_THERE,)

_WRONG: Final[dict[BreakClass, Callable[[Line], list[Line]]]] = {
    BreakClass.LATE: lambda line: [replace(line, booked_on=line.booked_on - _EARLIER)],
    BreakClass.TIMING: lambda _: [],
    BreakClass.MISSING_THERE: lambda _: [],
    BreakClass.AMOUNT: lambda line: [
        replace(line, amount_minor=line.amount_minor - _TOO_MUCH_MINOR)
    ],
    BreakClass.DUPLICATE: lambda line: [line, line],
    BreakClass.SIGN: lambda line: [replace(line, amount_minor=-line.amount_minor)],
    # The statement is right; the bank's books of what it paid out are not.
    BreakClass.CURRENCY: lambda line: [line],
}
"""What the statement has in a line's place."""


def _of(lines: Iterable[Line], currency: str) -> list[Line]:
    return [line for line in lines if line.currency == currency]


def as_csv(lines: Sequence[Line]) -> str:
    """Return a statement as CSV, with a column of balances."""
    written = StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(("Date", "Amount", "Balance", "Id", "Reference", "Text"))
    balance_minor = 0
    for number, line in enumerate(lines, 1):
        balance_minor += line.amount_minor
        amounts = (_written(line.amount_minor), _written(balance_minor))
        writer.writerow((line.booked_on, *amounts, f"B-{number}", line.reference, line.text))
    return written.getvalue()


def as_camt053(lines: Sequence[Line], account: str, on: date) -> str:
    """Return a statement as camt.053."""
    closing_minor = sum(line.amount_minor for line in lines)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>',
            "<GrpHdr><MsgId>DEMO</MsgId></GrpHdr>",
            f"<Stmt><Id>DEMO-{on}</Id>",
            f"<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>{lines[0].currency}</Ccy></Acct>",
            _balance("OPBD", 0, lines[0].currency, lines[0].booked_on),
            _balance("CLBD", closing_minor, lines[0].currency, on),
            *_entries(lines),
            "</Stmt></BkToCstmrStmt></Document>\n",
        ]
    )


def _entries(lines: Sequence[Line]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        # As banks do: in capitals, and without marks.
        reference = escape(line.reference.replace("_", " ").upper())
        yield (
            f"<Ntry>{_amount(line.amount_minor, line.currency)}<Sts><Cd>BOOK</Cd></Sts>"
            f"<BookgDt><Dt>{line.booked_on}</Dt></BookgDt><AcctSvcrRef>B-{number}</AcctSvcrRef>"
            f"<NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>"
            f"<RmtInf><Ustrd>{escape(line.text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
        )


def _balance(code: str, amount_minor: int, currency: str, on: date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f"{_amount(amount_minor, currency)}<Dt><Dt>{on}</Dt></Dt></Bal>"
    )


def _amount(amount_minor: int, currency: str) -> str:
    way = "CRDT" if amount_minor >= 0 else "DBIT"
    return f'<Amt Ccy="{currency}">{_written(abs(amount_minor))}</Amt><CdtDbtInd>{way}</CdtDbtInd>'


def _written(amount_minor: int) -> str:
    return format_amount(amount_minor, DOLLARS).split()[0]
