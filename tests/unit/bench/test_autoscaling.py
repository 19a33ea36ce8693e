"""The autoscaler as it is shipped: it follows floods, keeps its floor, and does not flap."""

import itertools
import math
from random import Random

import yaml
from bench.autoscaling import OBJECTS, Moment, shipped, simulate, wanted

POLICY = shipped()
HOUR = 240
"""Steps."""


def turns(moments: list[Moment]) -> int:
    """Return how often it went the other way."""
    counts = [moment.workers for moment in moments]
    ways = [after > before for before, after in itertools.pairwise(counts) if after != before]
    return sum(one != other for one, other in itertools.pairwise(ways))


def test_what_is_shipped_has_a_floor_and_takes_no_data_for_no_zero() -> None:
    spec = yaml.safe_load(OBJECTS.read_text())["spec"]
    assert 1 <= POLICY.workers_min < POLICY.workers_max
    [lanes] = [one for one in spec["triggers"] if one["type"] == "prometheus"]
    assert lanes["metadata"]["ignoreNullValues"] == "false"
    assert lanes["metricType"] == "AverageValue"
    assert POLICY.workers_min <= spec["fallback"]["replicas"] <= POLICY.workers_max
    for trigger in spec["triggers"]:
        if trigger["type"] == "temporal":
            assert {"workerDeploymentName", "workerDeploymentBuildId"} <= {*trigger["metadata"]}


def test_a_flood_has_all_workers_come_and_go_again_once() -> None:
    moments = simulate(POLICY, [200_000, *[0] * 2 * HOUR], one_does_per_s=40)
    assert max(moment.workers for moment in moments) == POLICY.workers_max
    assert moments[-1].waiting == 0
    assert moments[-1].workers == POLICY.workers_min
    assert turns(moments) == 1
    assert all(moment.workers >= POLICY.workers_min for moment in moments)
    full = next(one.at_s for one in moments if one.workers == POLICY.workers_max)
    alone_s = 200_000 / (40 * POLICY.workers_min)
    drained = next(one.at_s for one in moments if one.waiting == 0)
    assert full <= 300
    assert drained < alone_s / 2


def test_workers_that_go_leave_nobody_waiting() -> None:
    moments = simulate(POLICY, [200_000, *[0] * 2 * HOUR], one_does_per_s=40)
    for before, after in itertools.pairwise(moments):
        if after.workers < before.workers:
            assert after.waiting == 0


def test_a_load_that_is_uneven_changes_little() -> None:
    """Twice an hour's waves of what three workers do, and chance on top."""
    chance = Random(7)
    arrivals = [
        15 * 40 * (2 + math.sin(step / 20) + chance.uniform(-0.5, 0.5)) for step in range(4 * HOUR)
    ]
    moments = simulate(POLICY, arrivals, one_does_per_s=40)
    assert moments[-1].waiting < 40 * POLICY.workers_max * POLICY.drain_target_s
    assert turns(moments) <= 4 * 4
    changes = sum(a.workers != b.workers for a, b in itertools.pairwise(moments))
    assert changes <= 4 * 12


def test_where_a_provider_holds_all_up_more_workers_are_no_more_than_the_floor_of_a_rate_says() -> (
    None
):
    moments = simulate(POLICY, [9_000, *[0] * HOUR], one_does_per_s=40, all_do_per_s=10)
    most = max(moment.workers for moment in moments)
    assert most <= math.ceil(9_000 / POLICY.rate_per_worker_min / POLICY.drain_target_s)
    assert most < POLICY.workers_max


def test_what_is_wanted_is_what_drains_in_time() -> None:
    # 40 a second each: 300 s of ten workers' work.
    assert wanted(120_000, 80, 2, POLICY) == POLICY.workers_max
    assert wanted(36_000, 80, 2, POLICY) == 3
    assert wanted(0, 0, 5, POLICY) == POLICY.workers_min
    # Within a tenth nothing changes.
    assert wanted(25_000, 80, 2, POLICY) == 2
    assert wanted(1, 0, 2, POLICY) == POLICY.workers_min
