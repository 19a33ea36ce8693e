"""Whatever grows is seen; noise, warming up and restarts are not taken for growth."""

import pytest

from perdure.soak.series import Measure, Sample, Series
from perdure.soak.verdict import TOLERANCES, Verdict, judge, restarts

STEADY_S = 80.0
EVERY_S = 10.0
API_MEMORY = Series(Measure.MEMORY, "api")


def samples(
    series: Series, values: list[float | None], pids: list[int] | None = None
) -> list[Sample]:
    """Return eight samples, two in each quarter."""
    return [
        Sample(
            number * EVERY_S,
            {"api": (pids or [1] * len(values))[number]},
            {} if value is None else {series: value},
        )
        for number, value in enumerate(values)
    ]


def verdict(series: Series, values: list[float | None], pids: list[int] | None = None) -> Verdict:
    (judgement,) = judge(samples(series, values, pids), STEADY_S, keep_books={"gateway"})
    return judgement.verdict


def quarters(first: float, second: float, third: float, last: float) -> list[float | None]:
    return [first, first, second, second, third, third, last, last]


@pytest.mark.parametrize(
    ("measure", "before", "most"),
    [
        (Measure.MEMORY, 100, 120),
        (Measure.MEMORY, 1000, 1100),
        (Measure.HANDLES, 40, 50),
        (Measure.HANDLES, 2000, 2200),
        (Measure.THREADS, 10, 20),
        (Measure.CONNECTIONS, 48, 50),
        (Measure.AGE, 0, 10),
        (Measure.AGE, 30, 60),
        (Measure.LENGTH, 0, 50),
        (Measure.LENGTH, 100, 200),
    ],
)
def test_what_is_above_its_tolerance_at_the_end_grew(
    measure: Measure, before: float, most: float
) -> None:
    series = Series(measure, "api")
    assert verdict(series, quarters(before, before, before, most - 0.1)) == Verdict.FLAT
    assert verdict(series, quarters(before, before, before, most + 0.1)) == Verdict.GREW


def test_everything_that_is_judged_has_a_case_above() -> None:
    assert set(TOLERANCES) == set(Measure) - {Measure.RESIDENT}


def test_what_is_only_written_down_is_not_judged() -> None:
    assert judge(samples(Series(Measure.RESIDENT, "api"), quarters(1, 1, 1, 900)), STEADY_S) == []


def test_a_judgement_has_the_medians_of_the_quarters() -> None:
    values: list[float | None] = [10, 20, 30, 40, 900, 900, 50, 60]
    (judgement,) = judge(samples(API_MEMORY, values), STEADY_S)
    assert (judgement.start, judgement.middle, judgement.end) == (15, 35, 55)
    assert judgement.most == 55
    assert judgement.verdict == Verdict.FLAT


def test_warming_up_and_a_peak_in_between_are_no_growth() -> None:
    assert verdict(API_MEMORY, quarters(10, 300, 900, 300)) == Verdict.FLAT


def test_one_odd_moment_at_the_end_is_no_growth() -> None:
    odd = [Sample(70 + number, {}, {API_MEMORY: 100}) for number in range(1, 9)]
    odd.append(Sample(79, {}, {API_MEMORY: 5000}))
    assert judge(samples(API_MEMORY, quarters(100, 100, 100, 100)) + odd, STEADY_S)[0].verdict == (
        Verdict.FLAT
    )


def test_a_sample_taken_late_belongs_to_the_last_quarter() -> None:
    late = Sample(STEADY_S + 1, {}, {API_MEMORY: 900.0})
    (judgement,) = judge([*samples(API_MEMORY, quarters(1, 1, 1, 1)), late, late, late], STEADY_S)
    assert judgement.verdict == Verdict.GREW


@pytest.mark.parametrize("quarter", [1, 3])
def test_what_is_not_measured_any_more_is_missing(quarter: int) -> None:
    values: list[float | None] = [1.0] * 8
    values[2 * quarter] = values[2 * quarter + 1] = None
    assert verdict(API_MEMORY, values) == Verdict.MISSING


def test_what_is_missing_for_a_moment_is_judged_by_the_rest() -> None:
    assert verdict(API_MEMORY, [1, 1, None, 1, None, None, 1, None]) == Verdict.FLAT


def test_a_process_that_was_restarted_is_not_compared_with_the_one_before() -> None:
    growing = quarters(100, 100, 500, 500)
    assert verdict(API_MEMORY, growing, [1, 1, 1, 1, 1, 2, 2, 2]) == Verdict.RESTARTED
    # While it warmed up: then it is one process in all that is compared.
    assert verdict(API_MEMORY, growing, [1, 2, 2, 2, 2, 2, 2, 2]) == Verdict.GREW


@pytest.mark.parametrize("measure", [Measure.AGE, Measure.LENGTH])
def test_a_queue_that_grows_across_a_restart_grew(measure: Measure) -> None:
    pids = [1, 1, 1, 1, 1, 2, 2, 2]
    assert verdict(Series(measure, "messages"), quarters(1, 1, 99, 99), pids) == Verdict.GREW


def test_what_a_killed_worker_held_may_wait_for_its_timeout() -> None:
    series, pids = Series(Measure.AGE, "messages"), [1, 1, 1, 1, 1, 1, 2, 2]
    assert verdict(series, quarters(1, 1, 1, 40.9), pids) == Verdict.FLAT
    assert verdict(series, quarters(1, 1, 1, 41.1), pids) == Verdict.GREW
    assert verdict(series, quarters(1, 1, 1, 40.9)) == Verdict.GREW


@pytest.mark.parametrize(
    "series",
    [Series(Measure.CONNECTIONS, "database"), Series(Measure.MEMORY, "postgres")],
    ids=lambda series: str(series.column),
)
def test_connections_that_a_restart_ended_may_come_back(series: Series) -> None:
    growing, pids = quarters(99, 50, 50, 99), [1, 1, 1, 2, 2, 2, 2, 2]
    assert verdict(series, growing, pids) == Verdict.RESTARTED
    assert verdict(series, quarters(50, 50, 50, 50), pids) == Verdict.FLAT
    assert verdict(series, growing) == Verdict.GREW


def test_a_simulator_that_keeps_its_books_in_memory_may_grow_but_not_open_handles() -> None:
    growing = quarters(40, 60, 90, 120)
    assert verdict(Series(Measure.MEMORY, "gateway"), growing) == Verdict.BY_DESIGN
    assert verdict(Series(Measure.HANDLES, "gateway"), growing) == Verdict.GREW


def test_restarts_are_counted_also_where_the_process_is_seen_down_in_between() -> None:
    pids = [{"api": 1, "mail": 7}, {"api": 2, "mail": 7}, {"mail": 7}, {"api": 3, "mail": 7}]
    assert restarts([Sample(at_s, each) for at_s, each in enumerate(pids)]) == {"api": 2}
