"""The values of statements: amounts, days, and what an entry may be known by."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.core.money import AMOUNT_MINOR_MAX, MINOR_UNIT_DIGITS
from perdure.core.text import TEXT_LENGTH_MAX
from perdure.reconciliation.statements.model import wrong

_AMOUNT: Final = re.compile(r"(\d{1,18})(?:([.,])(\d{0,5}))?")
_OURS: Final = re.compile(
    rf"(?<![A-Za-z0-9])([A-Za-z]{{3}})[_ /.:-]?([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{{"
    rf"{ID_SUFFIX_LENGTH - 1}}})(?![A-Za-z0-9])"
)
"""An id of ours, as it comes back from banks: in capitals, the underscore lost or another mark."""

_SAYS_NOTHING: Final = frozenset({"", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NONE", "N/A"})
REFERENCES_MAX: Final = 200
"""Of one line: a batch of more payments is known by the batch's own reference."""


def check_known_currency(currency: str, line: int, field: str) -> str:
    """Return a currency, or refuse one that is not taken here.

    Raises:
        InvalidInput: `unknown_currency`.
    """
    if currency not in MINOR_UNIT_DIGITS:
        raise wrong(
            line, field, f"{currency[:8]!r} is not a currency taken here.", code="unknown_currency"
        )
    return currency


def read_amount(text: str, currency: str, *, decimal: str, line: int, field: str) -> int:
    """Return an amount without a sign, in minor units.

    Args:
        decimal: What stands before the fraction: `.` or `,`.

    Raises:
        InvalidInput: `invalid_statement`: it is no amount, or finer than the currency.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or (found[2] or decimal) != decimal:
        raise wrong(line, field, f"{text[:40]!r} is not an amount with {decimal!r} in it.")
    digits = MINOR_UNIT_DIGITS[currency]
    fraction = (found[3] or "").rstrip("0")
    if len(fraction) > digits:
        raise wrong(line, field, f"{text[:40]!r} is finer than {currency}, which has {digits}.")
    amount_minor: int = int(found[1]) * 10**digits + int(
        (fraction or "0").ljust(digits, "0") or "0"
    )
    if amount_minor > AMOUNT_MINOR_MAX:
        raise wrong(line, field, f"{text[:40]!r} is more than can be counted.")
    return amount_minor


def read_short_date(text: str, line: int, field: str) -> date:
    """Return a day that is written YYMMDD.

    Raises:
        InvalidInput: `invalid_statement`.
    """
    try:
        if len(text) == 6 and text.isascii() and text.isdigit():
            return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        pass
    raise wrong(line, field, f"{text[:20]!r} is not a day written YYMMDD.")


def references_of(names: Iterable[str], texts: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what an entry may be known by.

    Args:
        names: The references that the statement has, each by itself.
        texts: What else it says; ids of ours are looked for in it.
    """
    found: dict[str, None] = {}
    for given in names:
        name = " ".join(given.split())[:TEXT_LENGTH_MAX]
        if name.upper() not in _SAYS_NOTHING:
            found.setdefault(_ours_in(name) or name)
    for text in texts:
        # Banks break lines wherever theirs are full.
        for match in _OURS.finditer(text.replace("\n", "")):
            found.setdefault(f"{match[1]}_{match[2]}".lower())
    return tuple(found)[:REFERENCES_MAX]


def names_ours(reference: str) -> bool:
    """Whether a reference has the form of an id of ours."""
    return _ours_in(reference) is not None


def _ours_in(name: str) -> str | None:
    match = _OURS.fullmatch(name)
    return f"{match[1]}_{match[2]}".lower() if match else None


def text_of(*parts: str) -> str:
    """Return texts as one line that is kept."""
    joined = " ".join(" ".join(parts).split())
    return "".join(letter for letter in joined if letter.isprintable())[:TEXT_LENGTH_MAX]
