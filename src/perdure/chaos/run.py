"""Runs chaos on a platform of its own, and keeps what it found."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from perdure.chaos.audit import evidence
from perdure.chaos.machine import open_api, open_machine, take_environment
from perdure.chaos.rounds import Options, Report, RoundReport, Rounds
from perdure.cli.environment import DataFolder, write_private
from perdure.cli.session import open_session
from perdure.core.clock import utc_now


@dataclass(frozen=True, slots=True)
class ChaosRun:
    """What came of a run.

    Args:
        report_path: Where all of it is kept.
        folder: The platform's, kept where something was found.
    """

    report: Report
    report_path: Path
    folder: Path


async def run_chaos(
    data_dir: Path,
    options: Options,
    *,
    say: Callable[[str], None],
    tell: Callable[[RoundReport], None],
) -> ChaosRun | None:
    """Run rounds on a platform of their own; None: somebody ended it.

    Args:
        data_dir: Gets a folder for the run, and one with the reports.
        say: Told what happens, in sentences.
        tell: Told each round that settled.

    Raises:
        ConfigurationError: The platform does not start.
    """
    name = f"{utc_now():%Y%m%dT%H%M%S}-seed-{options.seed}"
    folder = DataFolder((data_dir / name).resolve())
    report_path = data_dir / "reports" / f"{name}.json"
    take_environment()
    say(f"Starting everything on {folder.path}; the logs are in {folder.logs_path}.")
    async with open_machine(folder) as machine, open_session() as platform:
        async with open_api(machine, platform) as api:
            rounds = Rounds(machine, platform, api, options, tell)
            report = await machine.unless_stopped(rounds.run)
        if report is None:
            return None
        kept = _as_json(report) | {"evidence": await evidence(platform, report.findings)}
    report_path.parent.mkdir(parents=True, exist_ok=True)
    write_private(report_path, json.dumps(kept, indent=1, default=to_json))
    if not report.findings:
        shutil.rmtree(folder.path)
    return ChaosRun(report, report_path, folder.path)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "summary": report.summary(),
        "findings": [asdict(finding) for finding in report.findings],
        "rounds": [asdict(done) for done in report.rounds],
    }


def to_json(value: object) -> str:
    """Write what JSON has no word for."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
