"""Runs a soak on a platform of its own, and keeps what it measured."""

import asyncio
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perdure.bootstrap import Platform
from perdure.chaos.audit import Audit, evidence, gave_up
from perdure.chaos.books import count_unsettled
from perdure.chaos.check import outcomes
from perdure.chaos.client import PersistentClient
from perdure.chaos.harm import faults_on, kill_process
from perdure.chaos.machine import open_api, open_machine, take_environment
from perdure.chaos.run import to_json
from perdure.chaos.seen import Storm
from perdure.chaos.storm import prepare
from perdure.cli.environment import DataFolder, write_private
from perdure.cli.machine import Machine
from perdure.cli.session import open_session
from perdure.core.clock import utc_now
from perdure.core.errors import ProviderUnavailable
from perdure.soak.load import OpenLoop, Operations, measure_capacity
from perdure.soak.report import Options, Report, as_json, deaths
from perdure.soak.sampler import Sampler
from perdure.soak.series import SampleFile
from perdure.soak.verdict import judge, restarts
from perdure.worker.plans import ALL, queues_of
from perdure.worker.readiness import wait_for_workers

FAULT_RATE: Final = 0.1
_POLL_S: Final = 0.5
_WORKERS_WAIT_S: Final = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SoakRun:
    """What came of a run.

    Args:
        report_path: Where all of it is kept.
        samples_path: The samples, as CSV.
        folder: The platform's, kept where something is wrong.
    """

    report: Report
    report_path: Path
    samples_path: Path
    folder: Path


async def run_soak(data_dir: Path, options: Options, *, say: Say) -> SoakRun | None:
    """Run a soak on a platform of its own; None: somebody ended it.

    Args:
        data_dir: Gets a folder for the run, and one with the reports.
        say: Told what happens, in sentences.

    Raises:
        ConfigurationError: The platform does not start.
    """
    name = f"{utc_now():%Y%m%dT%H%M%S}-seed-{options.seed}"
    folder = DataFolder((data_dir / name).resolve())
    reports = data_dir / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    samples_path, report_path = reports / f"{name}.csv", reports / f"{name}.json"
    take_environment()
    say(f"Starting everything on {folder.path}; the logs are in {folder.logs_path}.")
    async with open_machine(folder) as machine, open_session() as platform:
        async with open_api(machine, platform) as api:
            soak = Soak(
                machine,
                platform,
                client=PersistentClient(api),
                sampler=Sampler(
                    platform, machine.supervisor, file=SampleFile(samples_path), say=say
                ),
                options=options,
                say=say,
            )
            report = await machine.unless_stopped(soak.run)
        if report is None:
            return None
        kept = as_json(report) | {"evidence": await evidence(platform, report.findings)}
    write_private(report_path, json.dumps(kept, indent=1, default=to_json))
    if report.ok:
        shutil.rmtree(folder.path)
    return SoakRun(report, report_path, samples_path, folder.path)


class Soak:
    """A soak of a platform.

    Args:
        client: Of its API.
        sampler: Of its own, too.
        say: Told how it goes, in sentences.
    """

    def __init__(
        self,
        machine: Machine,
        platform: Platform,
        *,
        client: PersistentClient,
        sampler: Sampler,
        options: Options,
        say: Say,
    ) -> None:
        self._machine = machine
        self._platform = platform
        self._client = client
        self._sampler = sampler
        self._options = options
        self._say = say
        self._operations = Operations(client, options.kind, options.seed, self._prepare)
        self._kills: Counter[str] = Counter()
        self._report = Report()

    async def run(self) -> Report:
        """Measure the capacity, offer the load, wait for quiet, look at everything."""
        report, options = self._report, self._options
        try:
            await self._work()
            left, report.findings = await Audit(self._platform, self._machine).of_all(
                self._operations.storms
            )
            ended = [operation for own in left for operation in own.operations]
            report.accepted = len(ended)
            report.outcomes = dict(sorted(outcomes(ended).items()))
        except (ExceptionGroup, ProviderUnavailable) as error:
            report.findings = [gave_up(error)]
        report.retries = self._client.retries
        report.kills = dict(sorted(self._kills.items()))
        report.restarts = dict(sorted(restarts(self._sampler.samples).items()))
        report.judgements = judge(
            self._sampler.samples, options.steady_s, keep_books=self._machine.keep_books
        )
        if options.kill_every_s is None:
            report.findings += deaths(report.restarts)
        return report

    async def _work(self) -> None:
        options, report = self._options, self._report
        await self._wait_for_workers()
        try:
            async with AsyncExitStack() as faults:
                for url in self._machine.faulty_urls:
                    await faults.enter_async_context(
                        faults_on(url, rate=FAULT_RATE, seed=options.seed)
                    )
                self._say(f"Measuring the capacity for {options.capacity_s:g} s.")
                report.capacity_per_s = await measure_capacity(
                    self._operations, self._count_unsettled, seconds=options.capacity_s
                )
                report.offered_per_s = report.capacity_per_s * options.load
                await self._settle()
                self._say(
                    f"{report.capacity_per_s:.1f} {options.kind} a second; offering"
                    f" {report.offered_per_s:.1f} for {options.steady_s / 60:g} minutes."
                )
                await self._offer(OpenLoop(self._operations, report.offered_per_s))
        finally:
            await self._operations.stop()
        began = time.monotonic()
        await self._settle()
        report.settle_s = round(time.monotonic() - began, 1)

    async def _prepare(self, storm: Storm) -> None:
        await prepare(storm, self._machine, self._platform, self._client)

    async def _wait_for_workers(self) -> None:
        queues = [self._platform.queues[queue] for queue in queues_of(ALL, self._platform.kinds)]
        missing = await wait_for_workers(self._platform.client, queues, timeout_s=_WORKERS_WAIT_S)
        if missing:
            self._say(f"No worker polls {', '.join(missing)} yet.")

    async def _offer(self, load: OpenLoop) -> None:
        seconds, every_s = self._options.steady_s, self._options.sample_every_s
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sampler.run(load, seconds=seconds, every_s=every_s))
                group.create_task(self._kill_some(seconds))
                group.create_task(load.run(seconds))
        finally:
            self._report.sent = load.sent

    async def _settle(self) -> None:
        """Wait until all has come to its end; what has not in time is found when it is checked."""
        began = time.monotonic()
        while await self._count_unsettled():
            if time.monotonic() - began > self._options.settle_timeout_s:
                break
            await asyncio.sleep(_POLL_S)

    async def _count_unsettled(self) -> int:
        return await count_unsettled(self._platform, self._operations.customer_ids)

    async def _kill_some(self, seconds: float) -> None:
        every_s = self._options.kill_every_s
        if every_s is None:
            return
        fate = random.Random(f"kills:{self._options.seed}")  # noqa: S311 - reproducible
        for _ in range(int(seconds / every_s)):
            await asyncio.sleep(every_s)
            name = fate.choice(self._machine.processes)
            if kill_process(self._machine, name):
                self._kills[name] += 1
