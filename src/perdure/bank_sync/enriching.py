"""Who a transaction was with, and how: read from what the bank writes, where nobody says it."""

import re
from dataclasses import dataclass
from typing import Final

from perdure.bank_sync.staging import Staged

_METHODS: Final = (
    ("card", re.compile(r"^(SQ|TST|SP|PP|PAYPAL|IZ|ZTL|SUMUP|STRIPE) ?\* ?", re.IGNORECASE)),
    (
        "card",
        re.compile(
            r"^(POS|CARD|DEBIT CARD|CHECKCARD|VISA|PURCHASE)( PURCHASE)?\b[ :-]*", re.IGNORECASE
        ),
    ),
    ("direct_debit", re.compile(r"^(DD|DIRECT DEBIT|SEPA DD|LASTSCHRIFT)\b[ :-]*", re.IGNORECASE)),
    ("transfer", re.compile(r"^(ACH|WIRE|SEPA CT|TRANSFER|XFER|ZELLE)\b[ :-]*", re.IGNORECASE)),
    ("cash", re.compile(r"^(ATM|CASH WITHDRAWAL)\b[ :-]*", re.IGNORECASE)),
)
"""What a bank writes first says how; it is no part of the name."""
_TAILS: Final = re.compile(
    r"(\s+(DD|PAYROLL|SUBSCRIPTION|LTD|INC|LLC|GMBH|CO|CORP))+$"
    r"|\s+#?\d[\d-]*(\s.*)?$|\s+[A-Z]{2}$",
    re.IGNORECASE,
)
"""What it writes last: a branch's number, a state, a form of company."""
_NOT_A_KEY: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who it was with.

    Args:
        name: For people.
        key: The same for all transactions with it, however a bank writes it.
        method: `card`, `direct_debit`, `transfer`, `cash`, or `other`.
    """

    name: str
    key: str
    method: str = "other"


def merchant_of(found: Staged) -> Merchant:
    """Return who a transaction was with."""
    method, left = "other", found.name.strip()
    for said, pattern in _METHODS:
        stripped = pattern.sub("", left, count=1)
        if stripped != left:
            method, left = said, stripped
            break
    if method == "other" and found.channel in ("online", "in store"):
        method = "card"
    name = found.merchant or _named(left) or found.name.strip() or "Unknown"
    return Merchant(name, _NOT_A_KEY.sub(" ", name.casefold()).strip() or "unknown", method)


def _named(text: str) -> str:
    shorter = _TAILS.sub("", text).strip(" *-")
    return (shorter or text).title() if text.isupper() else shorter or text
