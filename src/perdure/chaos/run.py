"""Runs chaos on a platform of its own, and keeps what it found."""

import asyncio
import json
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from perdure.bootstrap import Platform
from perdure.chaos.plan import KILLABLE
from perdure.chaos.rounds import Options, Report, RoundReport, Rounds
from perdure.cli.environment import DataFolder, write_private
from perdure.cli.machine import LOOPBACK, Machine, Ports, run_machine
from perdure.cli.session import open_session
from perdure.cli.up import ensure_api_key
from perdure.core.clock import utc_now
from perdure.core.errors import ConfigurationError, ProviderUnavailable
from perdure.embedded.temporal import require_free_port
from perdure.embedded.temporal_cli import SETTING as TEMPORAL_CLI
from perdure.payments.importing import wait_out

_SETTINGS: Final = {
    # Short, so that what went wrong is found out within a round.
    "PERDURE_PAYMENT_CALLBACK_TIMEOUT_S": "4",
    "PERDURE_GATEWAY_TIMEOUT_S": "1",
    "PERDURE_PROVIDER_TIMEOUT_S": "3",
    "PERDURE_JANITOR_INTERVAL_S": "1",
    "PERDURE_JANITOR_STALE_AFTER_S": "8",
}
_GATEWAY_OPTIONS: Final = ("--slow-s", "1.3", "--late-callback-s", "6")
_PORTS: Final = range(20_000, 32_000)
"""Below those that Linux gives to connections (`net.ipv4.ip_local_port_range`)."""
_SHARED: Final = ("DATABASE_URL", "PERDURE_", "TEMPORAL_")
"""Settings that could have the platform share something with another one."""


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
    _take_environment()
    say(f"Starting everything on {folder.path}; the logs are in {folder.logs_path}.")
    async with _open_machine(folder) as machine, open_session() as platform:
        await ensure_api_key(folder, platform)
        api_key = folder.api_key_path.read_text().strip()
        async with httpx.AsyncClient(
            base_url=machine.api_url,
            headers={"Authorization": f"Bearer {api_key}"},
            trust_env=False,
        ) as api:
            rounds = Rounds(machine, platform, api, options, tell)
            report = await _unless_stopped(machine, rounds.run)
        if report is None:
            return None
        kept = _as_json(report) | {"evidence": await _evidence(platform, report)}
    report_path.parent.mkdir(parents=True, exist_ok=True)
    write_private(report_path, json.dumps(kept, indent=1, default=_to_json))
    if not report.findings:
        shutil.rmtree(folder.path)
    return ChaosRun(report, report_path, folder.path)


def _take_environment() -> None:
    """Set this process's environment for a platform that has everything of its own."""
    for setting in list(os.environ):
        if setting.startswith(_SHARED) and setting != TEMPORAL_CLI:
            del os.environ[setting]
    os.environ.update(_SETTINGS)
    ports = _free_ports(len(Ports.model_fields))
    os.environ.update({f"PERDURE_{name.upper()}": str(next(ports)) for name in Ports.model_fields})


def _free_ports(count: int) -> Iterator[int]:
    """Return ports nobody listens on, and nobody is given.

    One that the system chose could go to somebody's connection while its server is dead.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with suppress(ConfigurationError):
            require_free_port(LOOPBACK, port, setting="chaos")
            found.append(port)
        if len(found) == count:
            break
    return iter(found)


@asynccontextmanager
async def _open_machine(folder: DataFolder) -> AsyncIterator[Machine]:
    folder.logs_path.mkdir(parents=True, exist_ok=True)
    with (folder.logs_path / "supervisor.log").open("a", buffering=1) as log:

        def note(sentence: str) -> None:
            log.write(f"{utc_now().isoformat()} {sentence}\n")

        async with run_machine(
            folder, workers=2, gateway_options=_GATEWAY_OPTIONS, report=note
        ) as machine:
            if not machine.supervisor.stop_requested:
                missing = set(KILLABLE) - set(machine.supervisor.pids)
                assert not missing, f"not among the processes: {missing}"
            yield machine


async def _unless_stopped(machine: Machine, work: Callable[[], Any]) -> Report | None:
    """Do the work; None where somebody ends it before it is done."""
    if machine.supervisor.stop_requested:
        return None
    working = asyncio.ensure_future(work())
    stopped = asyncio.ensure_future(machine.supervisor.run_until_signalled())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        stopped.cancel()
        report: Report = working.result()
        return report
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


async def _evidence(platform: Platform, report: Report) -> dict[str, Any]:
    """Return the trail and the attempts of each operation something was found about."""
    found = {finding.operation_id for finding in report.findings if finding.operation_id}
    try:
        return await wait_out(lambda: _trails(platform, found))
    except ProviderUnavailable:
        return {}  # the database is what did not come back; the report is kept all the same


async def _trails(platform: Platform, found: set[str]) -> dict[str, Any]:
    return {
        operation_id: {
            "trail": [asdict(entry) for entry in await platform.operations.trail(operation_id)],
            "steps": [
                asdict(step) for step in await platform.operations.step_attempts(operation_id)
            ],
        }
        for operation_id in sorted(found)
    }


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "summary": report.summary(),
        "findings": [asdict(finding) for finding in report.findings],
        "rounds": [asdict(done) for done in report.rounds],
    }


def _to_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
