"""What a soak is asked for, and what became of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from perdure.chaos.seen import Finding
from perdure.core.errors import ConfigurationError
from perdure.soak.verdict import SAMPLES_MIN, WRONG, Judgement


@dataclass(frozen=True, slots=True)
class Options:
    """What to run.

    Args:
        kind: What is made, by its kind's plural.
        steady_s: How long the load is offered.
        load: How much of the capacity is offered, as a factor.
        kill_every_s: A random process is killed every so many seconds; None: none is.
        seed: The first operations' and the kills'.
        capacity_s: How long the capacity is measured.
        sample_every_s: How often everything is measured.
        settle_timeout_s: How long all may take to come to its end.

    Raises:
        ConfigurationError: There would be too few samples to judge by.
    """

    kind: str
    steady_s: float
    load: float
    kill_every_s: float | None
    seed: int
    capacity_s: float
    sample_every_s: float
    settle_timeout_s: float

    def __post_init__(self) -> None:
        if self.sample_every_s * SAMPLES_MIN > self.steady_s:
            raise ConfigurationError(
                f"{self.steady_s:g} s with a sample every {self.sample_every_s:g} s are less than"
                f" {SAMPLES_MIN} samples; run longer, or sample more often.",
                param="--sample-every-s",
            )


@dataclass(slots=True)
class Report:
    """What became of a soak.

    Args:
        capacity_per_s: Operations; None: it was not found out.
        offered_per_s: `capacity_per_s` times the load.
        sent: How many operations were offered at the steady rate.
        accepted: How many operations there are, those that measured the capacity included.
        retries: How many requests had to be sent again.
        settle_s: How long it took until all was quiet.
        findings: What is wrong in somebody's books.
    """

    capacity_per_s: float | None = None
    offered_per_s: float | None = None
    sent: int = 0
    accepted: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    settle_s: float | None = None
    judgements: list[Judgement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def grown(self) -> list[Judgement]:
        """What did not stay flat."""
        return [each for each in self.judgements if each.verdict in WRONG]

    @property
    def ok(self) -> bool:
        """Whether everything stayed flat, and every book is right."""
        return bool(self.judgements) and not (self.grown or self.findings)


def deaths(restarted: Mapping[str, int]) -> list[Finding]:
    """Return the finding that a process died, of each that was started anew."""
    return [
        Finding("died", None, name, None, f"was started anew {times} times, and nobody killed it")
        for name, times in restarted.items()
    ]


def as_json(report: Report) -> dict[str, Any]:
    """Return a report for programs."""
    return {
        "ok": report.ok,
        **{
            name: value
            for name, value in asdict(report).items()
            if name not in ("judgements", "findings")
        },
        "series": [
            {
                "name": each.series.column,
                **{name: value for name, value in asdict(each).items() if name != "series"},
            }
            for each in report.judgements
        ],
        "findings": [asdict(finding) for finding in report.findings],
    }
