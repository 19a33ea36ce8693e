"""What a process counts and measures for Prometheus; where nobody collects it, it is told nobody.

Each metric is declared once, beside others of its part. Its labels are names of ours: kinds,
providers, routes, codes. Of a label's values only so many are told apart, whatever is put in.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from temporalio.common import MetricCounter, MetricGaugeFloat, MetricHistogramFloat, MetricMeter

VALUES_MAX: Final = 250
"""The most values of one label that are told apart."""
OTHER: Final = "other"
"""What all further ones are called."""

_ALL: Final[list["Metric"]] = []
_meter: "MetricMeter | None" = None


class Metric:
    """One metric, under a name of its own.

    Args:
        name: As in Prometheus; a counter's `_total` is added to it.
        told: What it says, in a line.
        labels: By which it is told apart.
    """

    suffix = ""

    def __init__(self, name: str, told: str, *labels: str) -> None:
        self.name = name
        self.told = told
        self.labels = labels
        self._known: dict[str, set[str]] = {label: set() for label in labels}
        _ALL.append(self)
        self.collected_by(_meter)

    @property
    def exported_as(self) -> str:
        """What Prometheus calls it."""
        return self.name + self.suffix

    def collected_by(self, meter: "MetricMeter | None") -> None:
        """Have it be collected from now on; None: not any more."""
        raise NotImplementedError

    def _bounded(self, labels: Mapping[str, str]) -> dict[str, str]:
        assert labels.keys() == self._known.keys(), f"{self.name} is told apart by {self.labels}"
        return {label: self._value(label, value) for label, value in labels.items()}

    def _value(self, label: str, value: str) -> str:
        known = self._known[label]
        if value not in known:
            if len(known) >= VALUES_MAX:
                return OTHER
            known.add(value)
        return value


class Counter(Metric):
    """Counts what happened since the process began."""

    suffix = "_total"
    _counter: "MetricCounter | None" = None

    def collected_by(self, meter: "MetricMeter | None") -> None:
        """Have it be collected from now on."""
        self._counter = meter.create_counter(self.name, self.told) if meter else None

    def add(self, count: int = 1, **labels: str) -> None:
        """Count some more."""
        if self._counter is not None:
            self._counter.add(count, self._bounded(labels))


class Histogram(Metric):
    """How long things took, by buckets, in seconds."""

    _histogram: "MetricHistogramFloat | None" = None

    def collected_by(self, meter: "MetricMeter | None") -> None:
        """Have it be collected from now on."""
        self._histogram = meter.create_histogram_float(self.name, self.told) if meter else None

    def observe(self, seconds: float, **labels: str) -> None:
        """Take in one of them."""
        if self._histogram is not None:
            self._histogram.record(max(seconds, 0.0), self._bounded(labels))


class Gauge(Metric):
    """How something stands now."""

    _gauge: "MetricGaugeFloat | None" = None

    def __init__(self, name: str, told: str, *labels: str) -> None:
        self._set: set[tuple[str, ...]] = set()
        super().__init__(name, told, *labels)

    def collected_by(self, meter: "MetricMeter | None") -> None:
        """Have it be collected from now on."""
        self._gauge = meter.create_gauge_float(self.name, self.told) if meter else None
        self._set.clear()

    def set(self, value: float, **labels: str) -> None:
        """Say how it stands."""
        if self._gauge is not None:
            bounded = self._bounded(labels)
            self._set.add(tuple(bounded[label] for label in self.labels))
            self._gauge.set(value, bounded)

    def set_all(self, values: Mapping[tuple[str, ...], float], otherwise: float = 0.0) -> None:
        """Say how all of it stands: what was said before, and is not in this, is `otherwise`.

        Args:
            values: By the labels' values, in their order.
        """
        gone = self._set - values.keys()
        for labels in gone:
            self.set(otherwise, **dict(zip(self.labels, labels, strict=True)))
        for labels, value in values.items():
            self.set(value, **dict(zip(self.labels, labels, strict=True)))

    def forget(self) -> None:
        """Say nothing of it any more: another process does."""
        self.set_all({}, math.nan)
        self._set.clear()


def all_metrics() -> Iterable[Metric]:
    """Return those that were declared, as far as their parts were imported."""
    return tuple(_ALL)


def collected_by(meter: "MetricMeter | None") -> None:
    """Have all of them be collected from now on; None: not any more."""
    global _meter  # noqa: PLW0603 - as logging, it is the process's own
    _meter = meter
    for metric in _ALL:
        metric.collected_by(meter)


def are_collected() -> bool:
    """Whether somebody collects this process's metrics."""
    return _meter is not None
