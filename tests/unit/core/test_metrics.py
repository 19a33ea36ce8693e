"""What is counted and measured: only where somebody collects it, and with labels that stay few."""

import math
from collections.abc import Iterator

import pytest

from perdure.core import metrics
from perdure.core.metrics import OTHER, VALUES_MAX, Counter, Gauge, Histogram
from tests.collected import Collected, collecting


@pytest.fixture
def collected() -> Iterator[Collected]:
    with collecting() as found:
        yield found


@pytest.fixture(autouse=True)
def no_more_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a test declares are not everybody's."""
    monkeypatch.setattr(metrics, "_ALL", list(metrics.all_metrics()))


def test_where_nobody_collects_them_nothing_is_kept() -> None:
    counter, gauge = Counter("c", "It counts.", "code"), Gauge("g", "It stands.")
    counter.add(code="x")
    gauge.set(1)
    assert not metrics.are_collected()
    with collecting() as collected:
        assert metrics.are_collected()
        assert (collected.of(counter), collected.of(gauge)) == ({}, {})
        counter.add(code="x")
    counter.add(code="x")
    assert collected.value(counter, code="x") == 1


def test_whatever_a_label_is_given_its_values_stay_few(collected: Collected) -> None:
    counter = Counter("c", "It counts.", "kind", "code")
    for number in range(5 * VALUES_MAX):
        counter.add(kind=f"kind_{number % 3}", code=f"code {number}")
    codes = {dict(labels)["code"] for labels in collected.of(counter)}
    assert len(codes) == VALUES_MAX + 1
    others = [value for labels, value in collected.of(counter).items() if ("code", OTHER) in labels]
    assert sum(others) == 4 * VALUES_MAX
    counter.add(kind="kind_0", code="code 0")
    assert collected.value(counter, kind="kind_0", code="code 0") == 2


def test_a_label_that_is_missing_is_a_mistake(collected: Collected) -> None:
    with pytest.raises(AssertionError, match="told apart by"):
        Histogram("h", "It took.", "route").observe(1)
    assert collected.told["h"] == {}


def test_what_was_there_before_is_none_now(collected: Collected) -> None:
    gauge = Gauge("g", "It stands.", "kind", "status")
    gauge.set_all({("a", "open"): 2, ("b", "open"): 3})
    gauge.set_all({("b", "open"): 4})
    assert collected.value(gauge, kind="a", status="open") == 0
    assert collected.value(gauge, kind="b", status="open") == 4


def test_who_tells_no_more_leaves_no_numbers_behind(collected: Collected) -> None:
    gauge = Gauge("g", "It stands.", "kind")
    gauge.set_all({("a",): 2})
    gauge.forget()
    assert math.isnan(collected.of(gauge)[frozenset({("kind", "a")})])
    gauge.set_all({("b",): 1})
    assert math.isnan(collected.of(gauge)[frozenset({("kind", "a")})])
    assert collected.value(gauge, kind="b") == 1
