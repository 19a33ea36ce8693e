"""Exact covering sets: which of many amounts come to one amount.

Bounded in how much is looked at; what is found does not depend on the order in which it is given.
"""

from collections.abc import Sequence
from typing import Final

from perdure.reconciliation.matching.items import Item, Terms

SET_MAX: Final = 12
"""How many items a set has at most."""
CANDIDATES_MAX: Final = 40
"""How many are looked at for one: the nearest in time."""
LOOKED_AT_MAX: Final = 50_000
"""How many sums are looked at for one."""
FOUND_MAX: Final = 3
"""More than one says that a person has to choose; more than these helps nobody."""

Keys = tuple[str, ...]


def covering_sets(whole: Item, parts: Sequence[Item], terms: Terms) -> list[Keys]:
    """Return the sets of two or more parts that come to the whole: none, one, or some of several.

    What could not be looked at to its end counts as ambiguous, so never as exactly one.
    """
    candidates = sorted(
        (part for part in parts if _may_cover(part, whole, terms)),
        key=lambda part: (abs((part.booked_on - whole.booked_on).days), part.order),
    )
    is_whole = len(candidates) <= CANDIDATES_MAX
    # The largest first, so that a branch that has too much ends soon.
    candidates = sorted(
        candidates[:CANDIDATES_MAX], key=lambda part: (-abs(part.amount_minor), part.order)
    )
    search = _Search(abs(whole.amount_minor), terms.tolerance_minor, candidates)
    search.run(0, 0, ())
    if len(search.found) == 1 and not (is_whole and search.is_complete):
        return [*search.found, ()]
    return search.found


def _may_cover(part: Item, whole: Item, terms: Terms) -> bool:
    same_way = (part.amount_minor > 0) == (whole.amount_minor > 0)
    return (
        same_way
        and part.currency == whole.currency
        and abs(part.amount_minor) <= abs(whole.amount_minor) + terms.tolerance_minor
        and terms.near(part.booked_on, whole.booked_on)
    )


class _Search:
    """Looks for sets, each once.

    Attributes:
        found: Their keys, in their items' order.
        is_complete: Whether all was looked at.
    """

    def __init__(self, amount: int, tolerance: int, candidates: Sequence[Item]) -> None:
        self._amount, self._tolerance = amount, tolerance
        self._items = candidates
        self._amounts = [abs(item.amount_minor) for item in candidates]
        # What is left from each on: a branch that cannot reach the amount ends.
        self._left = [0] * (len(candidates) + 1)
        for place in range(len(candidates) - 1, -1, -1):
            self._left[place] = self._left[place + 1] + self._amounts[place]
        self._looked_at = 0
        self.found: list[Keys] = []
        self.is_complete = True

    def run(self, place: int, total: int, chosen: tuple[int, ...]) -> None:
        """Look at all sets that begin with these."""
        if len(self.found) >= FOUND_MAX or self._looked_at >= LOOKED_AT_MAX:
            self.is_complete = False
            return
        self._looked_at += 1
        if abs(total - self._amount) <= self._tolerance and len(chosen) > 1:
            items = sorted((self._items[one] for one in chosen), key=lambda item: item.order)
            self.found.append(tuple(item.key for item in items))
            if not self._tolerance:
                return
        for next_place in range(place, len(self._items)):
            if total + self._left[next_place] < self._amount - self._tolerance:
                return
            if len(chosen) >= SET_MAX:
                self.is_complete = False
                return
            more = total + self._amounts[next_place]
            if more <= self._amount + self._tolerance:
                self.run(next_place + 1, more, (*chosen, next_place))
