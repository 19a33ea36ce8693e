"""Transactions that stand out among the account's own: three rules, each with its reason in words.

*Unusual amount*: the modified z-score of Iglewicz and Hoaglin, 0.6745 (x - median) / MAD, beyond
3.5; where MAD is 0, by the mean absolute deviation. Amounts are compared as their logarithms:
twice as much is as far off for coffee as for rent. *Duplicate*: the same merchant and amount within
48 hours, unless that is how it always is. *First large*: more at a merchant's first time than 95 of
100 transactions of the account.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from statistics import fmean, median
from typing import Any, Final

from perdure.core.money import format_amount

CUT: Final = 3.5
"""The modified z-score beyond which an amount is unusual."""
_TO_SIGMA: Final = 0.6745
"""What makes of a MAD a standard deviation, where what is measured is normal."""
_MEAN_TO_SIGMA: Final = 1.253314
"""The same of a mean absolute deviation: the root of half of pi."""
MERCHANT_SEEN_MIN: Final = 8
"""As often a merchant has to be known before its own amounts say what is usual."""
ACCOUNT_SEEN_MIN: Final = 20
DUPLICATE_WITHIN_S: Final = 48 * 3600
LARGE_PART: Final = 0.95

UNUSUAL_AMOUNT: Final = "unusual_amount"
DUPLICATE: Final = "duplicate"
FIRST_LARGE: Final = "first_large_merchant"


@dataclass(frozen=True, slots=True)
class Seen:
    """A transaction as the rules look at it.

    Args:
        amount_minor: A positive one leaves the account; others are no concern of the rules.
        merchant: The merchant's key.
        shown: Its name, for people.
        at: The time, or the beginning of the day.
        pending: What is pending is never a duplicate: it is booked under another id.
    """

    id: str
    account_id: str
    amount_minor: int
    currency: str
    merchant: str
    shown: str
    at: datetime
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a transaction stands out.

    Args:
        reason: In a sentence, for its customer.
        score: How far, where that is measured: the modified z-score.
    """

    rule: str
    reason: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual: the middle of some amounts, and how far from it they are."""

    middle: float
    mad: float
    mean_deviation: float

    def score(self, amount_minor: int) -> float:
        """Return how far off an amount is; beyond all measure where all the others are one."""
        off = math.log(amount_minor) - self.middle
        if self.mad > 0:
            return _TO_SIGMA * off / self.mad
        if self.mean_deviation > 0:
            return off / (_MEAN_TO_SIGMA * self.mean_deviation)
        return math.copysign(math.inf, off) if off else 0.0


def detect(history: Iterable[Seen], new: Sequence[Seen]) -> dict[str, list[dict[str, Any]]]:
    """Return the flags of new transactions, by their ids; those that have none are left out.

    Args:
        history: What was on their accounts before.
    """
    accounts: dict[tuple[str, str], tuple[list[Seen], list[Seen]]] = defaultdict(lambda: ([], []))
    for before in history:
        if before.amount_minor > 0:
            accounts[before.account_id, before.currency][0].append(before)
    for one in new:
        if one.amount_minor > 0:
            accounts[one.account_id, one.currency][1].append(one)
    found: dict[str, list[dict[str, Any]]] = {}
    for known, asked in accounts.values():
        account = _Account([*known, *asked])
        for one in asked:
            if flags := account.flags_of(one):
                found[one.id] = [asdict(flag) for flag in flags]
    return found


class _Account:
    """What is usual on one account, in one currency."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        ordered = sorted(seen, key=lambda one: (one.at, one.id))
        by_merchant: dict[str, list[Seen]] = defaultdict(list)
        for one in ordered:
            by_merchant[one.merchant].append(one)
        self._usual: Mapping[str, _Usual] = {
            merchant: _usual([one.amount_minor for one in group])
            for merchant, group in by_merchant.items()
            if len(group) >= MERCHANT_SEEN_MIN
        }
        amounts = sorted(one.amount_minor for one in ordered)
        is_known = len(amounts) >= ACCOUNT_SEEN_MIN
        self._of_all = _usual(amounts) if is_known else None
        self._large_minor = amounts[math.ceil(LARGE_PART * len(amounts)) - 1] if is_known else None
        self._firsts = {group[0].id for group in by_merchant.values()}
        self._repeats = _repeats(by_merchant.values())

    def flags_of(self, one: Seen) -> list[Flag]:
        """Return why one stands out."""
        rules = (self._unusual(one), self._duplicate(one), self._first_large(one))
        return [flag for flag in rules if flag is not None]

    def _unusual(self, one: Seen) -> Flag | None:
        own = self._usual.get(one.merchant)
        usual = own or self._of_all
        if usual is None or (score := usual.score(one.amount_minor)) <= CUT:
            return None
        amount = format_amount(one.amount_minor, one.currency)
        middle = format_amount(round(math.exp(usual.middle)), one.currency)
        where = f"at {one.shown}" if own else "on this account"
        # Where all the others are the same, no number says how far off it is.
        kept = round(score, 1) if math.isfinite(score) else None
        return Flag(UNUSUAL_AMOUNT, f"{amount}; {where} it is usually about {middle}.", kept)

    def _duplicate(self, one: Seen) -> Flag | None:
        earlier = self._repeats.get(one.id)
        if earlier is None:
            return None
        amount = format_amount(one.amount_minor, one.currency)
        on = earlier.at.date().isoformat()
        return Flag(DUPLICATE, f"{amount} at {one.shown} was paid on {on} already ({earlier.id}).")

    def _first_large(self, one: Seen) -> Flag | None:
        if self._large_minor is None or one.id not in self._firsts:
            return None
        if one.amount_minor <= self._large_minor:
            return None
        amount = format_amount(one.amount_minor, one.currency)
        return Flag(
            FIRST_LARGE,
            f"{amount} at {one.shown}, where nothing was paid before; more than 95 of 100 payments"
            " of this account.",
        )


def _usual(amounts: Sequence[int]) -> _Usual:
    logs = [math.log(amount) for amount in amounts]
    middle = median(logs)
    off = [abs(each - middle) for each in logs]
    return _Usual(middle, median(off), fmean(off))


def _repeats(groups: Iterable[Sequence[Seen]]) -> dict[str, Seen]:
    """Return those that repeat one so soon that it is not how it always is, with that one."""
    found: dict[str, Seen] = {}
    for group in groups:
        same: dict[int, list[Seen]] = defaultdict(list)
        for one in group:
            if not one.pending:
                same[one.amount_minor].append(one)
        for repeated in same.values():
            gaps_s = [
                (later.at - earlier.at).total_seconds() for earlier, later in pairwise(repeated)
            ]
            if len(gaps_s) > 1 and median(gaps_s) <= DUPLICATE_WITHIN_S:
                continue
            for (earlier, later), gap_s in zip(pairwise(repeated), gaps_s, strict=True):
                if gap_s <= DUPLICATE_WITHIN_S:
                    found[later.id] = earlier
    return found
