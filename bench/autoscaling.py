"""What the autoscaler does to a load: its formula, and the rules of how fast it may follow it.

    python -m bench.autoscaling

The numbers are those of deploy/keda/workers.yaml. The formula is its query, in Python.
"""

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perdure.cli.output import out

OBJECTS: Final = Path(__file__).parents[1] / "deploy" / "keda" / "workers.yaml"
_STEP_S: Final = 15
"""How often Kubernetes decides."""
_RATE_S: Final = 300
"""Over how long a rate is taken."""
_TOLERANCE: Final = 0.1
"""What Kubernetes takes for no difference."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How many workers there may be, and how fast that changes.

    Args:
        drain_target_s: Within how long what waits is to be at its end.
        rate_per_worker_min: Less than this a second no worker is taken to bring to an end.
        up_percent: By how much there may be more after `up_period_s`; or `up_workers`, if more.
        down_window_s: What was wanted at most in this time counts.
        down_period_s: How long after one has gone the next may.
    """

    workers_min: int
    workers_max: int
    drain_target_s: float
    rate_per_worker_min: float
    up_percent: int
    up_workers: int
    up_period_s: int
    down_window_s: int
    down_period_s: int


def shipped() -> Policy:
    """Return what deploy/keda/workers.yaml says."""
    spec: dict[str, Any] = yaml.safe_load(OBJECTS.read_text())["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    percent, workers = behavior["scaleUp"]["policies"]
    [down] = behavior["scaleDown"]["policies"]
    [query] = [one["metadata"]["query"] for one in spec["triggers"] if one["type"] == "prometheus"]
    found = re.fullmatch(r".*, (?P<rate>\d+)\)\s+/ (?P<target>\d+)", query, re.DOTALL)
    assert found is not None, "the query ends with the least rate, and the time"
    return Policy(
        workers_min=spec["minReplicaCount"],
        workers_max=spec["maxReplicaCount"],
        drain_target_s=float(found["target"]),
        rate_per_worker_min=float(found["rate"]),
        up_percent=percent["value"],
        up_workers=workers["value"],
        up_period_s=percent["periodSeconds"],
        down_window_s=behavior["scaleDown"]["stabilizationWindowSeconds"],
        down_period_s=down["periodSeconds"],
    )


def wanted(waiting: float, done_per_s: float, workers: int, policy: Policy) -> int:
    """Return how many workers are wanted, as far as the policy lets there be so many."""
    of_one = max(done_per_s / workers, policy.rate_per_worker_min)
    asked = waiting / of_one / policy.drain_target_s
    if abs(asked / workers - 1) <= _TOLERANCE:
        return workers
    return min(max(math.ceil(asked), policy.workers_min), policy.workers_max)


class Autoscaler:
    """Follows what is wanted as fast as the policy lets it."""

    def __init__(self, policy: Policy) -> None:
        self.workers = policy.workers_min
        self._policy = policy
        self._wanted: deque[int] = deque(maxlen=policy.down_window_s // _STEP_S)
        self._before: deque[int] = deque(maxlen=policy.up_period_s // _STEP_S)
        self._since_last_went_s = policy.down_period_s

    def follow(self, asked: int) -> int:
        """Return how many workers there are after a step."""
        policy = self._policy
        self._wanted.append(asked)
        self._before.append(self.workers)
        self._since_last_went_s += _STEP_S
        # What there was a period ago says how many there may be.
        began = self._before[0]
        ceiling = max(began + began * policy.up_percent // 100, began + policy.up_workers)
        if asked > self.workers:
            self.workers = min(asked, max(ceiling, self.workers))
        elif max(self._wanted) < self.workers and self._since_last_went_s >= policy.down_period_s:
            self.workers -= 1
            self._since_last_went_s = 0
        return self.workers


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stands after a step."""

    at_s: int
    workers: int
    waiting: float


def simulate(
    policy: Policy,
    arrivals: Iterable[float],
    *,
    one_does_per_s: float,
    all_do_per_s: float = math.inf,
) -> list[Moment]:
    """Return how a load goes.

    Args:
        arrivals: How many operations come in each step.
        one_does_per_s: What a worker brings to an end.
        all_do_per_s: What all of them do at most: a provider's limit, the database's.
    """
    scaler, waiting, moments = Autoscaler(policy), 0.0, []
    done: deque[float] = deque(maxlen=_RATE_S // _STEP_S)
    for step, came in enumerate(arrivals):
        able = min(scaler.workers * one_does_per_s, all_do_per_s) * _STEP_S
        done.append(min(waiting + came, able))
        waiting += came - done[-1]
        rate = sum(done) / (len(done) * _STEP_S)
        scaler.follow(wanted(waiting, rate, scaler.workers, policy))
        moments.append(Moment((step + 1) * _STEP_S, scaler.workers, waiting))
    return moments


def main() -> None:
    """Print how a flood of 200,000 goes."""
    before: Moment | None = None
    for moment in simulate(shipped(), [200_000, *[0] * 400], one_does_per_s=40):
        if before is None or moment.workers != before.workers:
            out.print(
                f"{moment.at_s:>6} s  {moment.workers:>3} workers  {moment.waiting:>8,.0f} wait"
            )
        before = moment


if __name__ == "__main__":
    main()
