"""What is said of a break to people, in a sentence or two."""

from collections.abc import Sequence
from typing import Final

from perdure.core.ids import TRANSFER
from perdure.core.money import format_amount
from perdure.reconciliation.matching.items import BreakClass, Finding, Item
from perdure.reconciliation.statements.values import names_ours

_SHOWN_MAX: Final = 3

_TOLD: Final = {
    BreakClass.MISSING_HERE: "{source} has {theirs}, and our books do not.",
    BreakClass.MISSING_THERE: "Our books have {ours}, and {source} does not, although it should.",
    BreakClass.AMOUNT: "Our books have {ours}, and {source} has {theirs}: another amount.",
    BreakClass.DUPLICATE: "It is there once more: {both}.",
    BreakClass.LATE: "Our books have {ours}, and {source} has {theirs}: too far apart in time.",
    BreakClass.CURRENCY: "Our books have {ours}, and {source} has {theirs}: another currency.",
    BreakClass.TIMING: "Our books have {ours}, and {source} may still have it.",
    BreakClass.SIGN: "Our books have {ours}, and {source} has {theirs}: the other way round.",
}


def told(source: str, finding: Finding, ours: Sequence[Item], theirs: Sequence[Item]) -> str:
    """Return what is wrong, with what it is about, and whether there is something to choose."""
    sides = {"ours": _list(ours), "theirs": _list(theirs)}
    both = " and ".join(filter(None, sides.values()))
    text = _TOLD[finding.break_class].format(source=source, both=both, **sides)
    if finding.proposals:
        text += f" {len(finding.proposals)} ways to match it are for you to choose from."
    return text


def difference(break_class: str, amount_minor: int, currency: str) -> str | None:
    """Return what theirs has more than ours; None: that is no amount, as of two currencies."""
    return None if break_class == BreakClass.CURRENCY else format_amount(amount_minor, currency)


def _list(items: Sequence[Item]) -> str:
    shown = ", ".join(
        f"{format_amount(item.amount_minor, item.currency)} of {item.booked_on}"
        + (f" ({min(item.references, key=_usefulness)})" if item.references else "")
        for item in items[:_SHOWN_MAX]
    )
    left = len(items) - _SHOWN_MAX
    return f"{shown} and {left} more" if left > 0 else shown


def _usefulness(reference: str) -> tuple[object, ...]:
    """Order what an item is known by: the operation's id first, the ledger's entry last."""
    return reference.startswith(f"{TRANSFER}_"), not names_ours(reference), reference
