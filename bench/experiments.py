"""What is measured, by name: one more is one more entry."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

CORES: Final = os.cpu_count() or 1
WARM_UP: Final = 20
"""How many sagas every peer carries out before it is measured."""
LANES: Final = ("perdure-lanes", "perdure-lanes-cluster")
FLOOD: Final[Mapping[str, int]] = dict.fromkeys([*LANES, "trades-lanes"], 2_000)
"""A lane is made for floods: so many sagas are open at once, handed over in batches."""
BEST: Final[Mapping[str, int]] = {
    "perdure": 100,
    "perdure-own": 100,
    "perdure-own-cluster": 100,
    "temporal-tutorial": 100,
    "celery": 100,
    "dbos": 100,
    "restate": 100,
    "floor": 20,
    **FLOOD,
}
"""How many sagas open at once are to get the most out of each peer.

Estimates: `python -m bench concurrency --peers …` tells, on a machine that does nothing else.
"""
SAGAS: Final[Mapping[str, int]] = {
    "perdure": 2_000,
    "perdure-own": 400,
    "perdure-lanes": 6_000,
    "perdure-own-cluster": 200,
    "perdure-lanes-cluster": 5_000,
    "temporal-tutorial": 150,
    "celery": 600,
    "dbos": 400,
    "restate": 1_000,
    "floor": 3_000,
}
"""How many sagas are to keep each peer busy for five seconds or more on two cores."""
TRADES: Final[Mapping[str, int]] = {
    "trades": 1_000,
    "trades-own": 250,
    "trades-lanes": 3_000,
    "trades-celery": 600,
}
"""The same of trades, which are their own peers' work."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What one measurement is made under.

    Args:
        concurrency: How many sagas are open at once.
        concurrency_of: The same for peers that differ.
        workers: How many worker processes a peer runs.
        done_before: How many sagas the peer carried out before the measured ones; what they left
            in its stores is there.
        share: How much of the sagas of the experiment are enough.
        rate_per_s: How many sagas are offered a second, whatever is open; 0: as `concurrency` says.
        seconds: For how long, at a rate.
        kills: A worker process is killed (`kill -9`) in the middle of it.
        flood: So many others are carried out in lanes meanwhile.
        peers: Which take part, of the experiment's; none: all.
    """

    concurrency: int = 50
    concurrency_of: Mapping[str, int] = field(default_factory=dict)
    workers: int = CORES
    done_before: int = WARM_UP
    share: float = 1.0
    rate_per_s: int = 0
    seconds: int = 0
    kills: bool = False
    flood: int = 0
    peers: tuple[str, ...] = ()
    name: str = ""

    def of(self, peer: str) -> dict[str, Any]:
        """Return the setting as a peer has it, for its results."""
        at_a_rate = {"rate_per_s": self.rate_per_s, "seconds": self.seconds}
        return {
            "name": self.name or "as usual",
            "concurrency": self.open_at_once(peer),
            "workers": self.workers,
            "done_before": self.done_before,
            **(at_a_rate if self.rate_per_s else {}),
        }

    def has(self, peer: str) -> bool:
        """Whether a peer takes part."""
        return not self.peers or peer in self.peers

    def open_at_once(self, peer: str) -> int:
        """Return how many sagas of a peer are open at once."""
        return self.concurrency_of.get(peer, self.concurrency)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question, and how it is answered.

    Args:
        rounds: In each round every peer runs once, in turn.
        sagas: How many each peer carries out in a round, for each setting.
        peers: Which take part; none: all that have sagas.
    """

    name: str
    question: str
    settings: tuple[Setting, ...]
    rounds: int = 3
    sagas: Mapping[str, int] = field(default_factory=lambda: SAGAS)
    peers: tuple[str, ...] = ()

    @property
    def taking_part(self) -> tuple[str, ...]:
        """Which peers take part."""
        return self.peers or tuple(self.sagas)

    def count(self, setting: Setting, peer: str) -> int:
        """Return how many sagas a peer carries out under a setting."""
        if setting.rate_per_s:
            return setting.rate_per_s * setting.seconds
        return max(int(self.sagas[peer] * setting.share), setting.open_at_once(peer))


_AT_50: Final = Setting(concurrency_of=FLOOD, name="50 open at once (lanes: 2,000)")
_SHORT: Final = replace(_AT_50, share=0.5)
_ONE_BY_ONE: Final = tuple(name for name in SAGAS if name not in LANES)
_ON_CLUSTERS: Final = ("perdure-own-cluster", "perdure-lanes-cluster")
_AT_10: Final = Setting(concurrency=10, share=0.25, peers=_ONE_BY_ONE, name="10 open at once")
_FOUR: Final = ("perdure", "perdure-own", "perdure-lanes", "celery")

QUICK: Final = Experiment(
    "quick",
    "How fast is each, roughly?",
    (_SHORT, _AT_10),
    peers=tuple(name for name in SAGAS if name not in _ON_CLUSTERS),
)

FULL: Final = (
    Experiment("throughput", "How fast is each, under one load for all?", (_AT_50,), rounds=5),
    Experiment(
        "best",
        "How fast is each, with as many sagas open as suit it best?",
        (Setting(concurrency_of=BEST, name="each at its best"),),
    ),
    Experiment(
        "concurrency",
        "What happens to throughput and latency as more sagas are open at once?",
        tuple(
            Setting(concurrency=number, share=share, name=f"{number:,} open at once")
            for number, share in ((1, 0.1), (10, 0.5), (100, 1.0), (1000, 1.0))
        ),
        peers=_FOUR,
    ),
    Experiment(
        "workers",
        "What do more worker processes bring on this machine?",
        tuple(
            Setting(concurrency_of=FLOOD, workers=workers, name=f"{workers} worker processes")
            for workers in (1, 2, 4)
        ),
        peers=_FOUR,
    ),
    Experiment(
        "growth",
        "Does it slow down as the stores fill?",
        tuple(
            Setting(concurrency_of=FLOOD, done_before=done, name=f"{done:,} done before")
            for done in (500, 5_000, 50_000)
        ),
        rounds=2,
        peers=_FOUR,
    ),
    Experiment(
        "sustained",
        "Does a lane keep up with a steady stream of work?",
        (Setting(rate_per_s=556, seconds=60, name="work offered at a fixed rate"),),
        rounds=2,
        peers=LANES,
    ),
    Experiment(
        "crash",
        "How long does a saga wait when a worker process is killed (`kill -9`)?",
        tuple(
            Setting(rate_per_s=rate, seconds=20, kills=True, name=f"{rate} a second, one kill")
            for rate in (5, 50)
        ),
        peers=tuple(name for name in SAGAS if name != "floor" and name not in _ON_CLUSTERS),
    ),
    Experiment(
        "flood",
        "How long does one saga take beside a flood?",
        (Setting(rate_per_s=5, seconds=60, flood=100_000, name="beside a flood of 100,000"),),
        peers=("perdure", "perdure-own"),
    ),
    Experiment(
        "trades",
        "How fast are trades exchanged, in Perdure's way and in the old one?",
        (_AT_50,),
        sagas=TRADES,
    ),
)

EXPERIMENTS: Final = {experiment.name: experiment for experiment in (QUICK, *FULL)}
