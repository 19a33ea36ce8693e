"""Metrics as they were told, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from temporalio.common import MetricMeter

from perdure.core import metrics
from perdure.core.metrics import Metric

Labels = frozenset[tuple[str, Any]]


@dataclass
class Collected:
    """A meter that keeps what it is told: the last value of a gauge, sums of all else."""

    told: dict[str, dict[Labels, float]] = field(default_factory=dict)

    def create_counter(self, name: str, *_: Any) -> "_Told":
        return _Told(self.told.setdefault(name, {}))

    create_histogram_float = create_gauge_float = create_counter

    def of(self, metric: Metric) -> dict[Labels, float]:
        """Return what was told of a metric, by its labels."""
        return self.told[metric.name]

    def value(self, metric: Metric, **labels: str) -> float | None:
        """Return what was told of it under these labels; None: nothing."""
        return self.of(metric).get(frozenset(labels.items()))


@dataclass
class _Told:
    values: dict[Labels, float]

    def add(self, value: float, labels: Mapping[str, Any]) -> None:
        key = frozenset(labels.items())
        self.values[key] = self.values.get(key, 0) + value

    record = add

    def set(self, value: float, labels: Mapping[str, Any]) -> None:
        self.values[frozenset(labels.items())] = value


@contextmanager
def collecting() -> Iterator[Collected]:
    """Collect this process's metrics, until the context ends."""
    found = Collected()
    metrics.collected_by(cast("MetricMeter", found))
    try:
        yield found
    finally:
        metrics.collected_by(None)
