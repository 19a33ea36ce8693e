"""Two sides compared: nothing is guessed, nothing depends on an order, and all is accounted for."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.reconciliation.matching.comparing import compare
from perdure.reconciliation.matching.covering import covering_sets
from perdure.reconciliation.matching.items import BreakClass, Compared, Item, Rule, Terms

DAY = date(2026, 11, 27)
TERMS = Terms(DAY)
IDS = [f"tfr_01h455vb4pex5vsknk084sn{number:03}" for number in range(100)]


def item(key: str, amount_minor: int, *references: str, days: int = 0, **given: object) -> Item:
    on = DAY + timedelta(days=days)
    currency = str(given.get("currency", "EUR"))
    return Item(
        key, amount_minor, currency, on, frozenset(references), bool(given.get("is_repeated"))
    )


def classes(found: Compared) -> list[str]:
    return sorted(finding.break_class.value for finding in found.findings)


A, B = IDS[:2]
CASES: list[tuple[str, list[Item], list[Item], list[str]]] = [
    ("agree", [item("e", -5, A)], [item("1", -5, A)], []),
    ("missing_here", [], [item("1", -5, A)], ["missing_here"]),
    ("missing_there", [item("e", -5, A, days=-2)], [], ["missing_there"]),
    ("timing", [item("e", -5, A, days=-1)], [], ["timing"]),
    ("amount", [item("e", -5, A)], [item("1", -6, A)], ["amount"]),
    ("sign", [item("e", -5, A)], [item("1", 5, A)], ["sign"]),
    ("currency", [item("e", -5, A)], [item("1", -5, A, currency="USD")], ["currency"]),
    ("late", [item("e", -5, A, days=-9)], [item("1", -5, A)], ["late"]),
    ("duplicate", [item("e", -5, A)], [item("1", -5, A), item("2", -5, A)], ["duplicate"]),
    ("ours twice", [item("e", -5, A), item("f", -5, A)], [item("1", -5, A)], ["duplicate"]),
    ("again", [], [item("1", -5, A, is_repeated=True)], ["duplicate"]),
    ("taken back", [item("e", -5, A), item("f", 5, A)], [], []),
    ("n to n", [item("e", -5, A), item("f", -3, A)], [item("1", -8, A)], []),
    ("of another", [item("e", -5, A)], [item("1", -5, B)], ["missing_here", "timing"]),
    ("no reference", [item("e", -5, A)], [item("1", -5, "bank-1")], []),
    ("which?", [item("e", -5, A), item("f", -5, B)], [item("1", -5)],
        ["missing_here", "timing", "timing"]),
    ("a set", [item("e", -5, A), item("f", -7, B)], [item("1", -12)], []),
    ("its parts", [item("e", -12, A)], [item("1", -5), item("2", -7)], []),
    ("two sets", [item(k, v) for k, v in (("e", 5), ("f", 7), ("g", 4), ("h", 8))],
        [item("1", 12)], ["missing_here"] + ["timing"] * 4),
    ("not covered", [item("e", -5, A, days=1)], [], []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ours", "theirs", "told"), CASES, ids=[one[0] for one in CASES])
def test_each_class_is_told(
    name: str, ours: list[Item], theirs: list[Item], told: list[str]
) -> None:
    assert classes(compare(ours, theirs, TERMS)) == told


def test_what_could_be_two_things_is_proposed_and_never_matched() -> None:
    found = compare([item("e", 5, A), item("f", 5, B)], [item("1", 5)], TERMS)
    assert found.matches == []
    (line,) = [one for one in found.findings if one.theirs]
    assert [(one.ours, one.theirs) for one in line.proposals] == [
        (("e",), ("1",)),
        (("f",), ("1",)),
    ]
    # Two lines that need the same entry for their sets: either would leave the other without.
    ours = [item("e", 5, A), item("f", 7, B), item("g", 9, IDS[2])]
    found = compare(ours, [item("1", 12), item("2", 16)], TERMS)
    assert found.matches == []
    assert all(one.proposals for one in found.findings)


def test_tolerance_is_nothing_unless_it_is_set() -> None:
    ours, theirs = [item("e", -500, A)], [item("1", -499, A)]
    assert classes(compare(ours, theirs, TERMS)) == ["amount"]
    assert classes(compare(ours, theirs, Terms(DAY, tolerance_minor=1))) == []


def test_books_that_name_what_they_are_about_are_matched_by_that_alone() -> None:
    terms = Terms(DAY, None, by_amount=False)
    found = compare([item("e", -5, A, days=-90)], [item("1", -5, A), item("2", -7)], terms)
    assert classes(found) == ["missing_here"]
    assert classes(compare([item("e", -5, A)], [item("1", -5, B)], terms)) == [
        "missing_here",
        "missing_there",
    ]


amounts = st.integers(1, 60)


@settings(max_examples=150, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=9), amounts.map(lambda n: 3 * n), st.randoms())
def test_covering_sets_are_those_there_are(
    parts: list[int], whole: int, order: random.Random
) -> None:
    items = [item(str(place), amount) for place, amount in enumerate(parts)]
    there_are = {
        frozenset(one.key for one in some)
        for size in range(2, len(items) + 1)
        for some in combinations(items, size)
        if sum(one.amount_minor for one in some) == whole
    }
    shuffled = items.copy()
    order.shuffle(shuffled)
    found = covering_sets(item("w", whole), shuffled, TERMS)
    assert found == covering_sets(item("w", whole), items, TERMS)
    sets = {frozenset(keys) for keys in found if keys}
    assert sets <= there_are
    assert (len(found) == 1) == (len(there_are) == 1)
    assert bool(found) == bool(there_are)


references = st.sampled_from(["", *IDS[:4], "bank-1"])
sides = st.lists(
    st.tuples(st.integers(-6, 6).filter(bool), references, st.integers(-4, 0)), max_size=8
)


def _items(given: Sequence[tuple[int, str, int]], prefix: str) -> list[Item]:
    return [
        item(f"{prefix}{place}", amount, *filter(None, [reference]), days=days)
        for place, (amount, reference, days) in enumerate(given)
    ]


@settings(max_examples=150, deadline=None)
@given(sides, sides, st.randoms())
def test_each_item_is_matched_once_or_told_once_in_any_order(
    left: list[tuple[int, str, int]], right: list[tuple[int, str, int]], order: random.Random
) -> None:
    ours, theirs = _items(left, "e"), _items(right, "l")
    found = compare(ours, theirs, TERMS)
    amounts_of = {one.key: one.amount_minor for one in (*ours, *theirs)}
    for match in found.matches:
        assert sum(amounts_of[key] for key in match.ours) == (
            sum(amounts_of[key] for key in match.theirs)
        )
        assert match.rule in (
            *(Rule.REFERENCE, Rule.AMOUNT_AND_DATE, Rule.COVERING_SET, Rule.NETS_TO_NOTHING),
        )
    told = [key for one in found.matches for key in (*one.ours, *one.theirs)]
    told += [key for one in found.findings for key in (*one.ours, *one.theirs)]
    assert sorted(told) == sorted(amounts_of)
    order.shuffle(ours)
    order.shuffle(theirs)
    again = compare(ours, theirs, TERMS)
    assert set(again.matches) == set(found.matches)
    assert {(one.break_class, one.ours, one.theirs) for one in again.findings} == {
        (one.break_class, one.ours, one.theirs) for one in found.findings
    }


def test_there_are_eight_classes() -> None:
    assert len(BreakClass) == 8
