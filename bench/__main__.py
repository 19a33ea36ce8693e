"""`python -m bench`: the same saga on Perdure and on what a user would pick instead."""

import argparse
import asyncio
import dataclasses
import logging
import os
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import structlog
from rich.console import Console

from bench import killed_worker, matcher, orders, page, report, results
from bench.experiments import EXPERIMENTS, FULL, QUICK, Experiment, Setting
from bench.loop import Loop
from bench.peers import catalogue
from bench.peers.peer import Peer, PeerUnavailableError
from bench.results import Result
from bench.rounds import RoundFailedError, open_ground, run_experiment
from bench.surroundings import taken
from perdure.core.errors import PerdureError

HERE: Final = Path(__file__).parent
FOLDER: Final = Path(".perdure/bench")

_ALONE: Final = {
    "matcher": matcher.main,
    "orders": orders.main,
    "killed": killed_worker.main,
}

out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    # No saga of many peers: each measures one thing of ours.
    if (alone := _ALONE.get("".join(sys.argv[1:2]))) is not None:
        return alone(sys.argv[2:])
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.experiments) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {', '.join(sorted(unknown))}")
    if options.page_only:
        page.write(HERE / "RESULTS.md", results.read(HERE / "results.json"))
        return 0
    if unknown := set((options.peers or "").split(",")) - {*catalogue.NAMES, ""}:
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    names = options.experiments or [experiment.name for experiment in FULL]
    asked = [EXPERIMENTS[name] for name in names]
    if options.peers:
        some = set(options.peers.split(","))
        asked = [experiment for experiment in asked if some & {*experiment.taking_part}]
    experiments = [_adjusted(experiment, options) for experiment in asked]
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_until_signalled(_run(experiments, keep=not options.table_only)))
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
    parser.add_argument("--concurrency", type=int, help="sagas open at once, for every peer")
    parser.add_argument("--rate", type=int, help="operations offered a second (all at a rate)")
    parser.add_argument("--seconds", type=int, help="for how long (all at a rate)")
    parser.add_argument("--flood", type=int, help="sagas in the lanes meanwhile (flood)")
    parser.add_argument("--table-only", action="store_true", help="write no files")
    parser.add_argument(
        "--page-only", action="store_true", help="write RESULTS.md anew, run nothing"
    )
    return parser


def _adjusted(experiment: Experiment, options: argparse.Namespace) -> Experiment:
    changes: dict[str, object] = {}
    if options.peers:
        asked = options.peers.split(",")
        changes["peers"] = tuple(name for name in asked if name in experiment.taking_part)
    if options.rounds:
        changes["rounds"] = options.rounds
    if options.sagas:
        changes["sagas"] = dict.fromkeys(experiment.sagas, options.sagas)
    adjusted = (_setting(setting, options) for setting in reversed(experiment.settings))
    # Those that the options made the same are one.
    unique = {setting.name: setting for setting in adjusted}
    changes["settings"] = tuple(reversed(unique.values()))
    return dataclasses.replace(experiment, **changes)  # type: ignore[arg-type]


def _setting(setting: Setting, options: argparse.Namespace) -> Setting:
    changes: dict[str, object] = {}
    if options.sagas:
        changes["share"] = 1.0
    if options.concurrency:
        changes |= {"concurrency": options.concurrency, "concurrency_of": {}}
        changes["name"] = f"{options.concurrency:,} open at once"
    if setting.rate_per_s:
        changes["rate_per_s"] = options.rate or setting.rate_per_s
        changes["seconds"] = options.seconds or setting.seconds
    if setting.kills and options.rate:
        changes["name"] = f"{options.rate} a second, one kill"
    if setting.flood and options.flood:
        changes |= {"flood": options.flood, "name": f"beside a flood of {options.flood:,}"}
    return dataclasses.replace(setting, **changes)  # type: ignore[arg-type]


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
    for name in experiment.taking_part:
        try:
            peers.append(catalogue.load(name))
        except PeerUnavailableError as error:
            missing += [
                Result(experiment.name, name, setting.of(name), unavailable=str(error))
                for setting in experiment.settings
                if setting.has(name)
            ]
    return peers, missing


def _show(experiment: Experiment, measured: list[Result]) -> None:
    out.print(f"\n[bold]{experiment.name}[/]: {experiment.question}")
    out.print("Median (min-max) of the rounds; ratios are taken within a round.")
    for numbers in report.tables(measured):
        out.print(report.drawn(numbers))


if __name__ == "__main__":
    sys.exit(main())
