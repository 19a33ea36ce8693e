"""`python -m bench`: the same saga on Perdure and on what a user would pick instead."""

import argparse
import asyncio
import dataclasses
import os
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench import page, report, results
from bench.experiments import EXPERIMENTS, FULL, QUICK, Experiment
from bench.peers import catalogue
from bench.peers.peer import Peer, PeerUnavailableError
from bench.results import Result
from bench.rounds import RoundFailedError, open_ground, run_experiment
from bench.surroundings import taken
from perdure.core.errors import PerdureError

HERE: Final = Path(__file__).parent
FOLDER: Final = Path(".perdure/bench")

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.experiments) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {', '.join(sorted(unknown))}")
    if options.page_only:
        page.write(HERE / "RESULTS.md", results.read(HERE / "results.json"))
        return 0
    known = {*catalogue.NAMES, *catalogue.NOT_BUILT}
    if unknown := set((options.peers or "").split(",")) - known - {""}:
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    names = options.experiments or [experiment.name for experiment in FULL]
    experiments = [_adjusted(EXPERIMENTS[name], options) for name in names]
    try:
        asyncio.run(_until_signalled(_run(experiments, keep=not options.table_only)))
    except asyncio.CancelledError:
        out.print("Ended before it was done.")
        return 130
    except (RoundFailedError, PerdureError) as error:
        out.print(f"[red]{type(error).__name__}[/]: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help=f"{', '.join(EXPERIMENTS)}; none: all but {QUICK.name}",
    )
    parser.add_argument("--peers", help=f"of {', '.join(catalogue.NAMES)}, with commas between")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--sagas", type=int, help="of each peer, in each round")
    parser.add_argument("--table-only", action="store_true", help="write no files")
    parser.add_argument(
        "--page-only", action="store_true", help="write RESULTS.md anew, run nothing"
    )
    return parser


def _adjusted(experiment: Experiment, options: argparse.Namespace) -> Experiment:
    changes: dict[str, object] = {}
    if options.peers:
        changes["peers"] = tuple(options.peers.split(","))
    if options.rounds:
        changes["rounds"] = options.rounds
    if options.sagas:
        changes["sagas"] = options.sagas
    return dataclasses.replace(experiment, **changes)  # type: ignore[arg-type]


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; a signal breaks it off, and what it started is ended in order."""
    running = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await running


async def _run(experiments: list[Experiment], *, keep: bool) -> None:
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    async with open_ground(FOLDER) as ground:
        for experiment in experiments:
            peers, missing = _peers(experiment)
            load_before = os.getloadavg()[0]
            measured = await run_experiment(experiment, peers, ground, report=out.print)
            surroundings = await taken(command, ground, load_before=load_before)
            for result in measured:
                result.taken = surroundings
            measured += missing
            _show(experiment, measured)
            if keep:
                results.write(HERE / "results.json", measured)
                page.write(HERE / "RESULTS.md", results.read(HERE / "results.json"))


def _peers(experiment: Experiment) -> tuple[list[Peer], list[Result]]:
    """Return who takes part, and a result that says why for each who cannot."""
    peers: list[Peer] = []
    missing: list[Result] = []
    wanted = experiment.peers or (*catalogue.NAMES, *catalogue.NOT_BUILT)
    for name in wanted:
        reason = catalogue.NOT_BUILT.get(name)
        if reason is None:
            try:
                peers.append(catalogue.load(name))
                continue
            except PeerUnavailableError as error:
                reason = str(error)
        missing += [
            Result(experiment.name, name, dataclasses.asdict(setting), unavailable=reason)
            for setting in experiment.settings
        ]
    return peers, missing


def _show(experiment: Experiment, measured: list[Result]) -> None:
    out.print(f"\n[bold]{experiment.name}[/]: {experiment.question}")
    out.print("Median (min-max) of the rounds; ratios are taken within a round.")
    for heading, part in report.by_setting(measured).items():
        out.print(report.table(heading, part))
        out.print(report.cpu_table(part))


if __name__ == "__main__":
    sys.exit(main())
