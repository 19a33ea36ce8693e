"""Two sides of one account compared: by reference first, then by amount and day, then in sets.

Nothing here depends on the order in which items are given, and nothing is guessed: what could be
one thing or another is proposed to a person, and stays a break until somebody has said which.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from perdure.reconciliation.matching.covering import Keys, covering_sets
from perdure.reconciliation.matching.items import (
    BreakClass,
    Compared,
    Finding,
    Item,
    Match,
    Proposal,
    Rule,
    Terms,
)


def compare(ours: Sequence[Item], theirs: Sequence[Item], terms: Terms) -> Compared:
    """Return what belongs together, and what does not fit."""
    comparison = _Comparison(terms)
    left_ours: list[Item] = []
    left_theirs: list[Item] = []
    for group_ours, group_theirs in _by_reference(ours, theirs):
        one, other = comparison.by_reference(group_ours, group_theirs)
        left_ours += one
        left_theirs += other
    if terms.by_amount:
        left_ours, left_theirs = comparison.by_amount(left_ours, left_theirs)
        left_ours, left_theirs = comparison.in_sets(left_ours, left_theirs)
    comparison.tell_left(left_ours, left_theirs)
    return comparison.done


def _by_reference(
    ours: Sequence[Item], theirs: Sequence[Item]
) -> Iterable[tuple[list[Item], list[Item]]]:
    """Yield the items that references tie together; each item once, those without by themselves."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parents.setdefault(name, name)) != name:
            parents[name] = parents[above]
            name = parents[name]
        return name

    sides = (
        ((0, item) for item in sorted(ours, key=_order)),
        ((1, item) for item in sorted(theirs, key=_order)),
    )
    items = [found for side in sides for found in side]
    names = []
    for place, (_, item) in enumerate(items):
        own = f"\0{place}"
        for reference in sorted(item.references):
            parents[root(reference)] = root(own)
        names.append(own)
    groups: dict[str, tuple[list[Item], list[Item]]] = {}
    for own, (side, item) in zip(names, items, strict=True):
        groups.setdefault(root(own), ([], []))[side].append(item)
    return groups.values()


def _order(item: Item) -> tuple[object, ...]:
    return item.order


class _Comparison:
    """One comparison as it goes."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.done = Compared()
        self._proposals: dict[tuple[int, str], list[Proposal]] = defaultdict(list)

    def by_reference(self, ours: list[Item], theirs: list[Item]) -> tuple[list[Item], list[Item]]:
        """Settle what a reference ties together; returns what is still alone."""
        terms = self._terms
        if not ours or not theirs:
            alone = ours or theirs
            if len(alone) > 1 and _is_one_currency(alone) and not _sum(alone):
                self._match(Rule.NETS_TO_NOTHING, ours, theirs)
                return [], []
            return self._left_alone(ours, theirs, [])
        matched: list[Item] = []
        # Those that name each other come before those that a third one ties together.
        for is_direct in (True, False):
            for line in list(theirs):
                fitting = (entry for entry in ours if self._fits(entry, line))
                found = next(
                    (
                        entry
                        for entry in fitting
                        if not is_direct or entry.references & line.references
                    ),
                    None,
                )
                if found is not None:
                    self._match(Rule.REFERENCE, [found], [line])
                    matched += [found, line]
                    ours.remove(found)
                    theirs.remove(line)
        if not ours or not theirs:
            return self._left_alone(ours, theirs, matched)
        if _is_one_currency([*ours, *theirs]) and terms.agree(_sum(ours), _sum(theirs)):
            if all(
                terms.near(entry.booked_on, line.booked_on) for entry in ours for line in theirs
            ):
                self._match(Rule.REFERENCE, ours, theirs)
            else:
                self._find(BreakClass.LATE, ours, theirs)
            return [], []
        self._find_mismatch(ours, theirs)
        return [], []

    def _fits(self, entry: Item, line: Item) -> bool:
        return (
            entry.currency == line.currency
            and self._terms.agree(entry.amount_minor, line.amount_minor)
            and self._terms.near(entry.booked_on, line.booked_on)
        )

    def _find_mismatch(self, ours: list[Item], theirs: list[Item]) -> None:
        if not _is_one_currency([*ours, *theirs]):
            self._find(BreakClass.CURRENCY, ours, theirs)
        elif self._terms.agree(-_sum(ours), _sum(theirs)):
            self._find(BreakClass.SIGN, ours, theirs)
        else:
            self._find(BreakClass.AMOUNT, ours, theirs)

    def _left_alone(
        self, ours: list[Item], theirs: list[Item], matched: list[Item]
    ) -> tuple[list[Item], list[Item]]:
        """Tell of what is there once more; returns the others."""
        amounts = {(item.currency, item.amount_minor) for item in matched}
        kept: tuple[list[Item], list[Item]] = [], []
        for side, items in enumerate((ours, theirs)):
            for item in items:
                is_again = item.is_repeated or (item.currency, item.amount_minor) in amounts
                if is_again:
                    self._find(BreakClass.DUPLICATE, *_on_side(side, item))
                else:
                    kept[side].append(item)
        return kept

    def by_amount(self, ours: list[Item], theirs: list[Item]) -> tuple[list[Item], list[Item]]:
        """Match what has one counterpart by amount and day, and no other; returns the others."""
        by_amount: dict[tuple[str, int], list[Item]] = defaultdict(list)
        for entry in ours:
            by_amount[entry.currency, entry.amount_minor].append(entry)
        fits: dict[str, list[Item]] = {}
        for line in theirs:
            if not line.names_ours:
                near = self._near_amounts(by_amount, line)
                fits[line.key] = sorted(near, key=_order)
        of_entries: dict[str, list[Item]] = defaultdict(list)
        for line in theirs:
            for entry in fits.get(line.key, ()):
                of_entries[entry.key].append(line)
        gone: set[tuple[int, str]] = set()
        for line in theirs:
            found = fits.get(line.key, [])
            if len(found) == 1 and len(of_entries[found[0].key]) == 1:
                self._match(Rule.AMOUNT_AND_DATE, found, [line])
                gone |= {(0, found[0].key), (1, line.key)}
                continue
            for entry in found:
                self._propose(Proposal((entry.key,), (line.key,)))
        return _without(gone, ours, theirs)

    def _near_amounts(self, by_amount: dict[tuple[str, int], list[Item]], line: Item) -> list[Item]:
        tolerance = self._terms.tolerance_minor
        if tolerance > 100:
            near = [
                entry
                for (currency, amount_minor), entries in by_amount.items()
                if currency == line.currency and self._terms.agree(amount_minor, line.amount_minor)
                for entry in entries
            ]
        else:
            near = [
                entry
                for minor in range(line.amount_minor - tolerance, line.amount_minor + tolerance + 1)
                for entry in by_amount.get((line.currency, minor), ())
            ]
        return [entry for entry in near if self._terms.near(entry.booked_on, line.booked_on)]

    def in_sets(self, ours: list[Item], theirs: list[Item]) -> tuple[list[Item], list[Item]]:
        """Match what exactly one set of the other side covers; returns the others.

        A set that another one needs too is a proposal: either would leave the other without.
        """
        ours_free = [item for item in ours if not self._is_proposed(0, item)]
        theirs_free = [
            item for item in theirs if not item.names_ours and not self._is_proposed(1, item)
        ]
        found: list[tuple[int, str, list[Keys]]] = []
        for side, wholes, parts in ((1, theirs_free, ours_free), (0, ours_free, theirs_free)):
            for whole in wholes:
                sets = covering_sets(whole, parts, self._terms)
                if sets:
                    found.append((side, whole.key, sets))
        wanted: dict[tuple[int, str], int] = defaultdict(int)
        for side, whole_key, sets in found:
            wanted[side, whole_key] += 1
            for key in {key for keys in sets for key in keys}:
                wanted[1 - side, key] += 1
        gone: set[tuple[int, str]] = set()
        for side, whole_key, sets in found:
            touched = [(side, whole_key), *((1 - side, key) for keys in sets for key in keys)]
            if len(sets) == 1 and all(wanted[one] == 1 for one in touched):
                pair = (sets[0], (whole_key,)) if side else ((whole_key,), sets[0])
                self.done.matches.append(Match(Rule.COVERING_SET, *pair))
                gone |= set(touched)
                continue
            for keys in filter(None, sets):
                self._propose(Proposal(*((keys, (whole_key,)) if side else ((whole_key,), keys))))
        return _without(gone, ours, theirs)

    def tell_left(self, ours: list[Item], theirs: list[Item]) -> None:
        """Tell of what has no counterpart."""
        terms = self._terms
        for entry in ours:
            age_days = (terms.covered_to - entry.booked_on).days
            if age_days < 0:
                self.done.waiting += 1
            elif terms.timing_days is not None and age_days < terms.timing_days:
                self._find(BreakClass.TIMING, [entry], [])
            else:
                self._find(BreakClass.MISSING_THERE, [entry], [])
        for line in theirs:
            self._find(BreakClass.MISSING_HERE, [], [line])

    def _match(self, rule: Rule, ours: Iterable[Item], theirs: Iterable[Item]) -> None:
        self.done.matches.append(Match(rule, _keys(ours), _keys(theirs)))

    def _propose(self, proposal: Proposal) -> None:
        for side, keys in enumerate((proposal.ours, proposal.theirs)):
            for key in keys:
                self._proposals[side, key].append(proposal)

    def _is_proposed(self, side: int, item: Item) -> bool:
        return (side, item.key) in self._proposals

    def _find(self, break_class: BreakClass, ours: list[Item], theirs: list[Item]) -> None:
        proposals = [
            proposal
            for side, items in enumerate((ours, theirs))
            for item in items
            for proposal in self._proposals.get((side, item.key), ())
        ]
        self.done.findings.append(
            Finding(
                break_class,
                _keys(ours),
                _keys(theirs),
                _sum(theirs) - _sum(ours),
                (theirs or ours)[0].currency,
                tuple(dict.fromkeys(proposals)),
            )
        )


def _keys(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(item.key for item in sorted(items, key=_order))


def _sum(items: Iterable[Item]) -> int:
    return sum(item.amount_minor for item in items)


def _is_one_currency(items: Iterable[Item]) -> bool:
    return len({item.currency for item in items}) == 1


def _on_side(side: int, item: Item) -> tuple[list[Item], list[Item]]:
    return ([], [item]) if side else ([item], [])


def _without(
    gone: set[tuple[int, str]], ours: list[Item], theirs: list[Item]
) -> tuple[list[Item], list[Item]]:
    return (
        [item for item in ours if (0, item.key) not in gone],
        [item for item in theirs if (1, item.key) not in gone],
    )
