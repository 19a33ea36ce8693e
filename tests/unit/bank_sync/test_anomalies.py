"""What stands out, and what does not: planted, labelled, and found."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from perdure.bank_sync.anomalies import (
    CUT,
    DUPLICATE,
    FIRST_LARGE,
    UNUSUAL_AMOUNT,
    Seen,
    detect,
)

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
HABITS = {"market": (4200, 9), "coffee": (560, 8), "fuel": (5100, 3), "books": (1850, 2)}
"""What is paid for, around which amount and how often against the others."""


def seen(number: int, merchant: str, amount_minor: int, day: float, account: str = "acc") -> Seen:
    at = BEGINS + timedelta(days=day)
    return Seen(f"{account}-{number}", account, amount_minor, "USD", merchant, merchant.title(), at)


def labelled(account: str, dice: random.Random) -> Iterator[tuple[Seen, str | None]]:
    """Yield an account's year, each transaction with the rule that is to find it."""
    number = 0
    for day in range(365):
        weights = [often for _, often in HABITS.values()]
        merchant = dice.choices(list(HABITS), weights)[0]
        usual = round(HABITS[merchant][0] * dice.lognormvariate(0, 0.25))
        yield seen(number := number + 1, merchant, usual, day, account), None
        if day % 30 == 0:
            # The same every month is no duplicate; a price that is fixed is nothing unusual.
            yield seen(number := number + 1, "stream", 1299, day + 0.1, account), None
    planted = [UNUSUAL_AMOUNT, DUPLICATE, FIRST_LARGE] * 3
    for day, rule in zip(dice.sample(range(100, 360), 9), planted, strict=True):
        if rule == UNUSUAL_AMOUNT:
            merchant = dice.choice(list(HABITS))
            amount = round(HABITS[merchant][0] * dice.uniform(4, 8))
            yield seen(number := number + 1, merchant, amount, day + 0.3, account), rule
        elif rule == DUPLICATE:
            amount = dice.randint(2000, 6000)
            merchant = dice.choice(["market", "fuel"])
            yield seen(number := number + 1, merchant, amount, day + 0.4, account), None
            again = day + 0.4 + dice.uniform(0, 1.9)
            yield seen(number := number + 1, merchant, amount, again, account), rule
        else:
            shop = f"shop {number}"
            amount = dice.randint(20_000, 90_000)
            yield seen(number := number + 1, shop, amount, day + 0.5, account), rule


def test_what_was_planted_is_found_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Precision and recall of each rule, on twenty accounts of a year."""
    dice = random.Random(20261128)
    sample = [one for number in range(20) for one in labelled(f"acc{number}", dice)]
    found = detect([], [one for one, _ in sample])
    right: dict[str, int] = defaultdict(int)
    said: dict[str, int] = defaultdict(int)
    wanted: dict[str, int] = defaultdict(int)
    for one, rule in sample:
        rules = {flag["rule"] for flag in found.get(one.id, [])}
        # Whoever pays much at a new place pays an unusual amount too: either is right there.
        fits = {rule, UNUSUAL_AMOUNT} if rule == FIRST_LARGE else {rule}
        for name in rules:
            said[name] += 1
            right[name] += name in fits
        if rule is not None:
            wanted[rule] += 1
            wanted[f"{rule} found"] += rule in rules
    for rule in (UNUSUAL_AMOUNT, DUPLICATE, FIRST_LARGE):
        precision, recall = right[rule] / said[rule], wanted[f"{rule} found"] / wanted[rule]
        with capsys.disabled():
            print(f"\n{rule}: precision {precision:.2f}, recall {recall:.2f}", end="")
        assert precision >= 0.9, rule
        assert recall >= 0.9, rule


def _flags(history: list[Seen], one: Seen) -> dict[str, float | None]:
    return {flag["rule"]: flag["score"] for flag in detect(history, [one]).get(one.id, [])}


def test_amounts_that_are_all_the_same_have_no_mad() -> None:
    """Then by the mean deviation: of ten and one, one that is otherwise stands out."""
    history = [seen(number, "stream", 1299, number * 30) for number in range(10)]
    assert _flags(history, seen(99, "stream", 1299, 300)) == {}
    score = _flags(history, seen(99, "stream", 1999, 300))[UNUSUAL_AMOUNT]
    # (x - median) / (1.253314 * mean deviation), of which the deviation is a part of eleven.
    assert score == pytest.approx(11 / 1.253314, abs=0.06)
    assert score is not None
    assert score > CUT


def test_little_history_says_nothing() -> None:
    history = [seen(number, "market", 4000 + number, number) for number in range(5)]
    assert _flags(history, seen(99, "market", 90_000, 6)) == {}


def test_less_than_usual_and_money_that_comes_in_are_no_concern() -> None:
    history = [seen(number, "market", 4000 + number * 7, number * 3) for number in range(30)]
    assert _flags(history, seen(99, "market", 100, 91)) == {}
    assert _flags(history, seen(99, "market", -900_000, 91)) == {}


@pytest.mark.parametrize(("gap_h", "is_one"), [(1, True), (48, True), (49, False)])
def test_a_duplicate_comes_within_48_hours(gap_h: float, is_one: bool) -> None:
    first, second = seen(1, "shop", 2500, 1), seen(2, "shop", 2500, 1 + gap_h / 24)
    assert (DUPLICATE in _flags([first], second)) == is_one
    # What is pending is booked under another id, and no second one.
    pending = Seen(**{name: getattr(first, name) for name in Seen.__slots__} | {"pending": True})
    assert _flags([pending], second) == {}


def test_what_comes_every_day_is_no_duplicate() -> None:
    history = [seen(number, "coffee", 350, number) for number in range(10)]
    assert _flags(history, seen(99, "coffee", 350, 10)) == {}


def test_each_flag_says_why_in_words() -> None:
    history = [seen(number, "market", 4000 + number * 7, number * 3) for number in range(30)]
    found = detect(history, [seen(99, "market", 40_000, 91), seen(98, "jeweller", 50_000, 92)])
    assert [flag["reason"] for flag in found["acc-99"]] == [
        "400.00 USD; at Market it is usually about 41.05 USD."
    ]
    assert {flag["rule"] for flag in found["acc-98"]} == {UNUSUAL_AMOUNT, FIRST_LARGE}
