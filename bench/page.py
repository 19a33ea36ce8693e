"""`RESULTS.md`: the numbers of `results.json`, with what a reader may conclude."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench import page_alone
from bench.experiments import EXPERIMENTS
from bench.plots import svg
from bench.report import Numbers, by_setting, markdown, ratio_table, tables
from bench.results import Result, read

HERE: Final = Path(__file__).parent
PLOTS: Final = "plots"
"""The folder beside the page."""

INTRODUCTION: Final = """\
# Results

The same saga on Perdure and on what a user would pick instead, side by side in one run. Written by
`python -m bench` from `results.json`; do not edit.

The saga: validate the account, set the money aside, have a provider pay it out (HTTP), post the
money, tell its owner (HTTP). There are 1,000 accounts. Every peer works on the same PostgreSQL
server (`fsync` and `synchronous_commit` on) and with the same provider, which says yes at once.
After each round the effects are checked: every saga succeeded, was paid out once and told once, and
the books add up to the minor unit. A peer that fails the check fails the run.

Peers take turns within a round, each by itself on the machine, with fresh stores. A number is the
median over the rounds, with the least and the most; ratios are taken within a round. Latency is
from before the submission to the end that the database recorded. *Added alone* is by how much one
saga at a time takes longer than on the floor, *added spaced* the same where one comes every 200 ms,
as customers come to a shop.

A lane is for floods, so its work is handed over in batches, with 2,000 operations open at once;
its latency is that of a place in this crowd. The others get 50 at once (*throughput*), and what
suits each best (*best*).
"""

CONCLUSIONS: Final = """\
## What a reader may conclude, and what not

- Which peer does more of this saga with the same processors, and where its processor time goes.
  The ratios hold on other machines better than the absolute numbers.
- Not how a peer behaves on several machines: everything, the client and the provider too, shares
  the cores of one. `perdure-own-cluster` is Temporal's real server on PostgreSQL, but on this
  machine. Where the client's own time is a large part of all, it holds the peer back too.
- Not that the peers promise the same. The floor promises nothing. Celery, DBOS, Restate and the
  tutorial run a step at least once; what makes it safe to run twice is the code of the steps here,
  and none of them asks the provider before it pays again. Perdure does more than the saga.
- Not that they lose the same with the power. PostgreSQL and Restate sync each commit. Temporal's
  dev server (`perdure-own`, `perdure-lanes`, the tutorial) syncs its SQLite file at checkpoints,
  Redis every second; what these lose, Perdure's janitor heals from PostgreSQL, a state machine
  needs a reconciler for it (not part of this benchmark), and the tutorial has nothing.
- `perdure` is the default: an operation begins in an interactive lane, directly, and has a workflow
  of its own when it has something to wait for, which nothing here has. `perdure-own` has one for
  each operation from its beginning. Compare `perdure-lanes` with others for floods: its operations
  are accepted by the file, 500 in a commit, those of the others one by one. How much that is can be
  seen in the client's processor time.
- *trades* is other work: an asset and its price exchanged, delivery versus payment, over gRPC with
  simulated services that sync their books; `trades-celery` is the state machine that a team has
  before it comes here (`perdure.trades.legacy`). All of them end where the trade is settled, and
  are checked by `perdure verify` with both services' books. The orders are measured by themselves.
- *growth* fills the stores the fastest way each peer has: Perdure through its lane, so that its
  Temporal server has seen fewer workflows than operations; Celery's rows are written by the floor's
  steps, as nothing of them stays in Redis. Then the database is vacuumed.
- *sustained* offers work whether the peer keeps up or not; latency counts from when an operation
  was due. It is handed over four times a second. Operations/s leaves out the first tenth of the
  time, and what ended after the last was offered.
- *crash* kills one worker process, the busiest, while sagas come at a steady rate; it is started
  again at once. *Its effects* says what a peer then did twice, or not at all: the others do a step
  at least once, so that is no defect of theirs.
"""


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the page, and the plots of its tables beside it."""
    page, plots = made(results)
    path.write_text(page)
    folder = path.parent / PLOTS
    folder.mkdir(exist_ok=True)
    for left in set(folder.glob("*.svg")) - {folder / name for name in plots}:
        left.unlink()
    for name, picture in plots.items():
        (folder / name).write_text(picture)


def keep_alone(name: str, found: dict[str, Any]) -> None:
    """Keep what was measured by itself, and write the page with it."""
    (HERE / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    write(HERE / "RESULTS.md", read(HERE / "results.json"))


def made(results: Sequence[Result]) -> tuple[str, dict[str, str]]:
    """Return the page, and its plots by the names of their files."""
    plots: dict[str, str] = {}

    def drawn(numbers: Numbers) -> str:
        if not numbers.bars:
            return markdown(numbers)
        name = f"{len(plots) + 1:02}.svg"
        plots[name] = svg(numbers.title, numbers.unit, numbers.bars)
        return f"{markdown(numbers)}\n\n![{numbers.title}: {numbers.unit}]({PLOTS}/{name})"

    return _text(results, drawn), plots


def _text(results: Sequence[Result], drawn: Callable[[Numbers], str]) -> str:
    by_experiment: dict[str, list[Result]] = {}
    for result in results:
        by_experiment.setdefault(result.experiment, []).append(result)
    parts = [INTRODUCTION, *_in_short(by_experiment, drawn), CONCLUSIONS]
    for name, of_it in by_experiment.items():
        parts.append(f"## {name}\n\n{EXPERIMENTS[name].question}\n\n{_taken(of_it)}")
        parts += [f"### {numbers.title}\n\n{drawn(numbers)}\n" for numbers in tables(of_it)]
    parts += page_alone.sections(HERE, drawn)
    parts.append(_set_ups(results))
    return "\n".join(parts)


def _in_short(by_experiment: dict[str, list[Result]], drawn: Callable[[Numbers], str]) -> list[str]:
    """Return the ratios of ours to each other peer, where they were measured."""
    parts = ["## In short\n"]
    for name in ("throughput", "best", "quick", "trades"):
        for setting, part in by_setting(by_experiment.get(name, [])).items():
            numbers = ratio_table(part)
            if numbers.rows:
                parts.append(f"{name}, {setting}; {numbers.title}:\n\n{drawn(numbers)}\n")
    return parts if len(parts) > 1 else []


def _taken(results: Sequence[Result]) -> str:
    taken = next((result.taken for result in results if result.taken), None)
    if taken is None:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in taken["versions"].items())
    return (
        f"`{taken['command']}`, {taken['at']}. {taken['machine']}; load before:"
        f" {taken['load_before']}. Python {taken['python']}; {versions}.\n"
    )


def _set_ups(results: Sequence[Result]) -> str:
    set_ups = {result.peer: result.set_up for result in results if result.set_up}
    return "## How each is set up\n\n" + "".join(
        f"- **{peer}**: {set_up}\n" for peer, set_up in set_ups.items()
    )
