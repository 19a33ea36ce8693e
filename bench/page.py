"""`RESULTS.md`: the numbers of `results.json`, with what a reader may conclude."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.experiments import EXPERIMENTS
from bench.report import HEADINGS, by_setting, rows
from bench.results import Result, spread

INTRODUCTION: Final = """\
# Results

The same saga on Perdure and on what a user would pick instead, side by side in one run. Written by
`python -m bench` from `results.json`; do not edit.

The saga: validate the account, set the money aside, have a provider collect (HTTP), post the money,
tell the payer (HTTP). There are 1,000 accounts. Every peer works on the same PostgreSQL server
(`fsync` and `synchronous_commit` on) and with the same provider, which says yes at once. After each
round the effects are checked: every saga succeeded, was charged once and told once, and the books
add up to the minor unit. A peer that fails the check fails the run.

Peers take turns within a round, each by itself on the machine, with fresh stores. A number is the
median over the rounds, with the least and the most; ratios are taken within a round. Latency is
from before the submission to the end that the database recorded. *Added alone* is by how much one
saga at a time takes longer than on the floor.

## What a reader may conclude, and what not

- Which peer does more of this saga with the same processors, and where its processor time goes.
  The ratios hold on other machines better than the absolute numbers.
- Not how a peer behaves on a cluster: everything, the client and the provider too, shares the cores
  of one machine. Where the client's own time is a large part of all, it holds the peer back too.
- Not that the peers promise the same. The floor promises nothing. Celery, DBOS, Restate and the
  tutorial run a step at least once; what makes it safe to run twice is the code of the steps here,
  and none of them asks the provider before it charges again. Perdure does more than the saga.
- Not that they lose the same with the power. PostgreSQL and Restate sync each commit. Temporal's
  dev server (Perdure, tutorial) syncs its SQLite file at checkpoints, Redis every second; what
  these lose, Perdure's janitor heals from PostgreSQL, a state machine needs a reconciler for it
  (not part of this benchmark), and the tutorial has nothing.
"""


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the page."""
    path.write_text(text(results))


def text(results: Sequence[Result]) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for name in dict.fromkeys(result.experiment for result in results):
        of_it = [result for result in results if result.experiment == name]
        parts.append(f"## {name}\n\n{EXPERIMENTS[name].question}\n")
        parts.append(_taken(of_it))
        for heading, part in by_setting(of_it).items():
            parts.append(f"### {heading}\n\n{_table(HEADINGS, rows(part))}\n\n{_cpu(part)}")
    parts.append(_set_ups(results))
    return "\n".join(parts)


def _taken(results: Sequence[Result]) -> str:
    taken = next((result.taken for result in results if result.taken), None)
    if taken is None:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in taken["versions"].items())
    return (
        f"`{taken['command']}`, {taken['at']}. {taken['machine']}; load before:"
        f" {taken['load_before']}. Python {taken['python']}; {versions}.\n"
    )


def _cpu(results: Sequence[Result]) -> str:
    measured = [result for result in results if result.cpu_ms_per_operation]
    purposes = sorted({name for result in measured for name in result.cpu_ms_per_operation})
    lines = [
        (
            result.peer,
            *(spread(result.cpu_ms_per_operation.get(name, []), 1) for name in purposes),
        )
        for result in measured
    ]
    return f"CPU ms/operation by process:\n\n{_table(('peer', *purposes), lines)}\n"


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    ruler = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ruler, *lines))


def _set_ups(results: Sequence[Result]) -> str:
    set_ups = {result.peer: result.set_up for result in results if result.set_up}
    return "## How each is set up\n\n" + "".join(
        f"- **{peer}**: {set_up}\n" for peer, set_up in set_ups.items()
    )
