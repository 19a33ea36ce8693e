"""What is measured, by name: one more is one more entry."""

import os
from dataclasses import dataclass
from typing import Final

CORES: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Setting:
    """What one measurement is made under.

    Args:
        concurrency: How many sagas are open at once.
        workers: How many worker processes a peer runs.
        done_before: How many sagas the peer carried out before the measured ones; what they left
            in its stores is there.
    """

    concurrency: int = 50
    workers: int = CORES
    done_before: int = 20


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question, and how it is answered.

    Args:
        rounds: In each round every peer runs once, in turn.
        sagas: How many each peer carries out in a round, for each setting.
        peers: Which take part; none: all.
    """

    name: str
    question: str
    settings: tuple[Setting, ...] = (Setting(),)
    rounds: int = 3
    sagas: int = 200
    peers: tuple[str, ...] = ()


QUICK: Final = Experiment("quick", "How fast is each, roughly?")

FULL: Final = (
    Experiment("throughput", "How fast is each?", rounds=7, sagas=500),
    Experiment(
        "concurrency",
        "What happens to throughput and latency as more sagas are open at once?",
        settings=tuple(Setting(concurrency=open_at_once) for open_at_once in (1, 10, 200, 1000)),
        sagas=1000,
    ),
    Experiment(
        "workers",
        "What do more worker processes bring on this machine?",
        settings=tuple(Setting(workers=workers) for workers in (1, 2, 4)),
        sagas=500,
        peers=("perdure", "temporal-tutorial", "celery", "dbos", "restate"),
    ),
    Experiment(
        "growth",
        "Does it slow down as the stores fill?",
        settings=tuple(Setting(done_before=done) for done in (1_000, 10_000)),
        sagas=500,
    ),
)

EXPERIMENTS: Final = {experiment.name: experiment for experiment in (QUICK, *FULL)}
