from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import results
from bench.cpu import by_purpose
from bench.experiments import EXPERIMENTS, FULL, QUICK, Setting
from bench.page import made
from bench.peers import catalogue
from bench.plots import BARS_WIDTH, LABEL_WIDTH, Bar, svg
from bench.report import (
    bar_of,
    change_table,
    main_table,
    queue_table,
    ratio_table,
    waits_table,
)
from bench.results import Measurement, Result, grows, percentile, ratios, spread

SETTING = Setting(workers=2, name="50 open at once").of("perdure-own")


def measurement(operations_per_s: float, alone_ms: float = 10.0) -> Measurement:
    cpu = {"worker": 3.0, "postgres": 1.5}
    latencies_ms = [float(n) for n in range(1, 101)]
    spaced_ms = 2 * alone_ms - 4
    return Measurement(operations_per_s, latencies_ms, alone_ms, cpu, latency_spaced_ms=spaced_ms)


def result(peer: str, *operations_per_s: float, experiment: str = "quick") -> Result:
    found = Result(experiment, peer, SETTING, durable_steps=5, set_up=f"How {peer} is set up.")
    for number in operations_per_s:
        found.add(measurement(number), measurement(1_000, alone_ms=4.0))
    return found


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (99, 4), (1, 1), (100, 4), (75, 3)])
def test_a_percentile_is_one_of_the_numbers(percent: int, expected: int) -> None:
    assert percentile([4, 1, 3, 2], percent) == expected


def test_a_round_adds_a_number_to_every_list() -> None:
    found = result("celery", 100, 120)

    assert found.operations_per_s == [100, 120]
    assert found.durable_steps_per_s == [500, 600]
    assert found.latency_ms["p50"] == [50, 50]
    assert found.latency_ms["p99"] == [99, 99]
    assert found.latency_ms["added_alone_p50"] == [6, 6]
    assert found.latency_ms["added_spaced_p50"] == [12, 12]
    assert found.cpu_ms_per_operation == {"worker": [3.0, 3.0], "postgres": [1.5, 1.5]}
    assert found.cpu_total_ms == [4.5, 4.5]


def test_ratios_are_taken_within_a_round() -> None:
    assert ratios([100, 300], [50, 100]) == [2, 3]
    assert ratios([100, 300], [50]) == []


def test_a_spread_shows_median_least_and_most() -> None:
    assert spread([3, 1_000, 2]) == "3 (2-1,000)"
    assert spread([1.25], 1) == "1.2"
    assert spread([]) == "-"


def test_processes_of_one_purpose_count_together() -> None:
    found = by_purpose({"worker-1": 1.0, "worker-fraud-2": 2.0, "temporal": 4.0})

    assert found == {"worker": 3.0, "temporal": 4.0}


def test_a_peer_without_numbers_says_why() -> None:
    lane = Result("quick", "perdure-lanes", SETTING, unavailable="no Go")

    table = main_table("", [result("perdure-own", 50), lane])

    ours, missing = table.rows
    assert ours[:4] == ("perdure-own", "50", "50", "1.00")
    assert missing[:3] == ("perdure-lanes", "", "not available: no Go")
    assert len(missing) == len(table.headings)


def test_ours_are_compared_with_each_of_the_others() -> None:
    table = ratio_table(
        [result("perdure-own", 50, 90), result("perdure-lanes", 900, 600), celery()]
    )

    assert table.rows == [
        ("celery", "0.75 (0.50-1.00)", "7.83 (6.67-9.00)", *["1.00 (1.00-1.00)"] * 2)
    ]


def celery() -> Result:
    return result("celery", 100, 90)


def test_a_setting_is_compared_with_the_first() -> None:
    table = change_table({"500": [result("celery", 100, 100)], "5,000": [result("celery", 50, 90)]})

    assert table.rows == [("celery", "0.70 (0.50-0.90)", "1.00 (1.00-1.00)")]


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ([0, 100, 100, 100, 110, 100, 100, 100], False),
        ([10, 20, 30, 40, 50, 60, 70, 80], True),
        ([0, 0, 0, 5], True),
        ([], False),
    ],
)
def test_a_queue_that_grows_is_seen(queue: list[int], expected: bool) -> None:
    assert grows(queue) is expected


def test_a_queue_is_shown_as_time_goes_by() -> None:
    found = result("perdure-lanes")
    found.add(Measurement(556, [1.0], 1.0, {}, queue=[10, 20, 30, 40, 50, 60, 70, 1_080]), None)

    table = queue_table([found])

    assert table.rows == [("perdure-lanes, round 1", "20", "40", "60", "1,080", "1,080", "grows")]


def test_every_experiment_knows_how_much_every_peer_has_to_do() -> None:
    for experiment in (QUICK, *FULL):
        for peer in experiment.taking_part:
            for setting in experiment.settings:
                count = experiment.count(setting, peer)
                assert count >= (setting.rate_per_s or setting.open_at_once(peer))


def test_lanes_are_flooded_and_the_others_are_not() -> None:
    (setting,) = EXPERIMENTS["throughput"].settings

    assert setting.of("celery")["concurrency"] == 50
    assert setting.of("perdure-lanes")["concurrency"] == 2_000


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = [result("perdure-own", 50, 60), result("floor", 900, 800)]

    results.write(tmp_path / "results.json", written)

    assert results.read(tmp_path / "results.json") == written


def test_an_experiment_run_again_replaces_only_its_own_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(path, [result("perdure-own", 50), result("perdure-own", 70, experiment="growth")])

    results.write(path, [result("perdure-own", 55)])

    found = {kept.experiment: kept.operations_per_s for kept in results.read(path)}
    assert found == {"growth": [70], "quick": [55]}


def test_the_page_has_a_line_for_each_peer_and_says_how_it_is_set_up() -> None:
    page, plots = made([result("perdure-own", 50, 60), result("celery", 100, 90)])

    assert "| celery | 50 | 95 (90-100) | 1.75 (1.50-2.00) | 475 (450-500) |" in page
    assert "- **celery**: How celery is set up." in page
    for name, picture in plots.items():
        assert f"](plots/{name})" in page
        assert ElementTree.fromstring(picture).tag.endswith("svg")  # noqa: S314 - made here


def test_a_bar_is_as_long_as_its_median_and_shows_the_least_and_the_most() -> None:
    bars = [bar_of("<one>", [50.0, 100.0, 200.0]), Bar("two", {"a": 30.0, "b": 70.0}, 100, 100)]

    picture = svg("title", "ms", bars)

    assert "&lt;one&gt;" in picture
    assert f'width="{BARS_WIDTH / 2:.1f}"' in picture
    assert f"M{LABEL_WIDTH + BARS_WIDTH / 4:.1f} 33H{LABEL_WIDTH + BARS_WIDTH:.1f}" in picture
    assert f'width="{BARS_WIDTH * 0.15:.1f}"' in picture


def test_waits_are_told_with_what_a_kill_did_to_the_effects() -> None:
    found = Result("crash", "celery", SETTING | {"rate_per_s": 5})
    for wrong in ([], ["payouts is 3, not 2"]):
        waits_ms = [*[10.0] * 9, 1_500.0]
        found.add(Measurement(5, waits_ms, 1.0, {}, are_waits=True, wrong=wrong), None)

    table = waits_table("", [found, Result("crash", "dbos", SETTING, unavailable="no")])

    assert table.rows[0][4:] == (
        "1,500 (1,500-1,500)",
        "10.0 (10.0-10.0)",
        "payouts is 3, not 2",
    )
    assert len(table.rows[1]) == len(table.headings)


def test_every_setting_has_only_peers_that_there_are() -> None:
    for experiment in EXPERIMENTS.values():
        for setting in experiment.settings:
            assert set(setting.peers) <= set(catalogue.NAMES)
            assert any(map(setting.has, experiment.taking_part))
