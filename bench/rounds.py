"""Runs an experiment: in each round every peer once, in turn, each by itself on the machine."""

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from bench import cpu
from bench.books import open_http
from bench.experiments import WARM_UP, Experiment, Setting
from bench.load import (
    BulkWorkplace,
    FloodedWorkplace,
    Load,
    SeededWorkplace,
    arrive,
    drive,
    offer,
)
from bench.peers.peer import Peer, PeerUnavailableError, Running, Site
from bench.peers.worker_processes import python_module, supervised
from bench.ports import free_port
from bench.provider import BOOKS
from bench.results import Measurement, Result, percentile
from bench.saga import Saga, sagas
from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock
from perdure.embedded.postgres import create_database, drop_database, start_postgres
from perdure.embedded.postgres_cluster import PostgresCluster
from perdure.embedded.processes import ProcessSpec

ALONE: Final = 20
"""How many sagas are carried out one by one for the latency without load."""
SPACED: Final = 10
SPACED_PER_S: Final = 5
"""How many sagas come by themselves, and how often: as customers come to a shop."""
KILL_AT: Final = 0.3
"""After how much of its time a worker process is killed."""
FLOOD_HEAD_START_S: Final = 3.0
SEEDING: Final = 50
"""How many sagas are open at once while the stores are filled."""
SETTLE_S: Final = 0.3
"""How long what follows the last saga's end still counts as its processor time."""

Report = Callable[[str], None]


class RoundFailedError(Exception):
    """A peer lost or doubled something, or did not get done: its numbers are worth nothing."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all rounds share.

    Args:
        postgres_url: The server; each peer gets a database of its own on it.
        postgres_pid: Its process.
    """

    folder: Path
    postgres_url: str
    postgres_pid: int

    @property
    def cache(self) -> Path:
        """What was downloaded is kept here."""
        return self.folder / "cache"


@asynccontextmanager
async def open_ground(folder: Path) -> AsyncIterator[Ground]:
    """Start PostgreSQL, with what is committed being synced to the disk.

    Raises:
        ConfigurationError: Another benchmark runs in the folder.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    lock = FileLock(folder / "bench.lock")
    if not lock.acquire(wait=False):
        raise ConfigurationError("The benchmark is running already, and would disturb itself.")
    with await asyncio.to_thread(start_postgres, folder) as server:
        pid = PostgresCluster(folder).pid()
        assert pid is not None
        try:
            yield Ground(folder, server.url, pid)
        finally:
            lock.release()


async def run_experiment(
    experiment: Experiment,
    peers: list[Peer],
    ground: Ground,
    *,
    report: Report,
) -> list[Result]:
    """Measure; peers take turns within a round, so that what disturbs one disturbs all.

    Raises:
        RoundFailedError: A peer did not do what it was asked to.
    """
    results = [
        {
            peer.name: Result(
                experiment.name,
                peer.name,
                setting.of(peer.name),
                peer.durable_steps,
                peer.set_up,
            )
            for peer in peers
            if setting.has(peer.name)
        }
        for setting in experiment.settings
    ]
    for number in range(1, experiment.rounds + 1):
        for setting, of_setting in zip(experiment.settings, results, strict=True):
            report(f"{experiment.name}, {setting.name}: round {number} of {experiment.rounds}")
            await _run_round(experiment, setting, peers, of_setting, ground, report=report)
    return [result for of_setting in results for result in of_setting.values()]


async def _run_round(
    experiment: Experiment,
    setting: Setting,
    peers: list[Peer],
    results: Mapping[str, Result],
    ground: Ground,
    *,
    report: Report,
) -> None:
    measured: dict[str, Measurement] = {}
    for peer in peers:
        if peer.name not in results:
            continue
        count = experiment.count(setting, peer.name)
        try:
            measured[peer.name] = found = await measure(peer, setting, count, ground)
        except PeerUnavailableError as error:
            results[peer.name].unavailable = str(error)
            continue
        report(
            f"  {peer.name}: {found.operations_per_s:.1f} operations/s,"
            f" {sum(found.cpu_ms_per_operation.values()):.1f} CPU ms each"
        )
    for name, found in measured.items():
        results[name].add(found, measured.get("floor"))


async def measure(peer: Peer, setting: Setting, count: int, ground: Ground) -> Measurement:
    """Start a peer on empty stores, measure it, check its effects, and end it.

    Raises:
        PeerUnavailableError: It is not installed here.
        RoundFailedError: It did not do what it was asked to.
    """
    folder = ground.folder / "round"
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(parents=True)
    await drop_database(ground.postgres_url, "bench_round")
    database_url = await create_database(ground.postgres_url, "bench_round")
    # What the peer before left is written out now, so that this one does not pay for it.
    await _execute(ground.postgres_url, "CHECKPOINT")
    async with _open_provider(folder / "provider") as (provider_url, provider_pid):
        site = Site(folder, ground.cache, database_url, provider_url, setting.workers)
        async with peer.start(site) as running:
            shared = {"postgres": ground.postgres_pid, "provider": provider_pid}
            try:
                await _fill(running, setting, peer.name, site)
                measured = await _load(running, shared, setting, peer.name, count)
            except ExceptionGroup as error:
                raise RoundFailedError(f"{peer.name}: {error!r}; see {folder}/logs") from error
            async with open_http(provider_url) as http, http.get(BOOKS) as answer:
                books: dict[str, int] = await answer.json()
            done = sagas(setting.done_before + ALONE + SPACED + count + setting.flood)
            wrong = await running.violations(done, books)
    if setting.kills:
        # What a peer makes of a kill is what was asked.
        return dataclasses.replace(measured, wrong=wrong)
    if wrong:
        raise RoundFailedError(f"{peer.name}: {'; '.join(wrong)}")
    return measured


async def _fill(running: Running, setting: Setting, peer: str, site: Site) -> None:
    """Have the stores hold what so many sagas leave behind, and the peer be warm."""
    before = sagas(setting.done_before)
    seed, warm_up = before[:-WARM_UP], before[-WARM_UP:]
    if seed:
        if isinstance(running, SeededWorkplace):
            await running.seed(seed)
        else:
            await drive(running, seed, concurrency=max(setting.open_at_once(peer), SEEDING))
        # As a database is that has had them for long: what would come anyway, comes now.
        await _execute(site.database_url, "VACUUM (ANALYZE)", "CHECKPOINT")
    await drive(running, warm_up, concurrency=min(setting.open_at_once(peer), WARM_UP))


async def _load(
    running: Running, shared: Mapping[str, int], setting: Setting, peer: str, count: int
) -> Measurement:
    """Look at the peer without load, and load it."""
    alone = sagas(ALONE, first=setting.done_before)
    spaced = sagas(SPACED, first=alone[-1].number + 1)
    work = sagas(count, first=spaced[-1].number + 1)
    unloaded = await drive(running, alone, concurrency=1)
    now_and_then = await arrive(running, spaced, rate_per_s=SPACED_PER_S)
    used_before_s = cpu.used_s({**shared, **running.processes})
    load = await _loaded(running, setting, peer, work)
    await asyncio.sleep(SETTLE_S)
    # One that was killed is another by now, and what it had used is not known any more.
    used_s = cpu.used_s({**shared, **running.processes})
    per_operation_ms = {
        name: (used_s[name] - used_before_s.get(name, 0.0)) * 1000 / (count + setting.flood)
        for name in used_s
    }
    return Measurement(
        load.operations_per_s,
        load.latencies_ms,
        percentile(unloaded.latencies_ms, 50),
        cpu.by_purpose(per_operation_ms),
        load.queue,
        percentile(now_and_then.latencies_ms, 50),
        are_waits=setting.kills or setting.flood > 0,
    )


async def _loaded(running: Running, setting: Setting, peer: str, work: list[Saga]) -> Load:
    """Load the peer as the setting says; what else is to happen, happens meanwhile."""
    if not setting.rate_per_s:
        return await drive(running, work, concurrency=setting.open_at_once(peer))
    async with asyncio.TaskGroup() as meanwhile:
        if setting.flood:
            assert isinstance(running, FloodedWorkplace), f"{peer} takes no floods"
            flood = sagas(setting.flood, first=work[-1].number + 1)
            meanwhile.create_task(drive(running.for_floods(), flood, concurrency=len(flood)))
            await asyncio.sleep(FLOOD_HEAD_START_S)
        if setting.kills:
            meanwhile.create_task(_kill_later(running, setting.seconds * KILL_AT))
        if isinstance(running, BulkWorkplace):
            return await offer(running, work, rate_per_s=setting.rate_per_s)
        return await arrive(running, work, rate_per_s=setting.rate_per_s)


async def _kill_later(running: Running, after_s: float) -> None:
    await asyncio.sleep(after_s)
    kill_worker(running.processes)


def kill_worker(processes: Mapping[str, int]) -> None:
    """`kill -9` a process that does the work: the first worker, or the busiest of its children."""
    worker = psutil.Process(next(pid for name, pid in processes.items() if "worker" in name))
    children = worker.children()
    victim = max(children, key=lambda child: sum(child.cpu_times()[:2])) if children else worker
    victim.kill()


async def _execute(database_url: str, *commands: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for command in commands:
            await connection.execute(command)
    finally:
        await connection.close()


@asynccontextmanager
async def _open_provider(folder: Path) -> AsyncIterator[tuple[str, int]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        async with open_http(url) as http, http.get(BOOKS) as answer:
            return answer.ok

    spec = ProcessSpec(
        name="provider", argv=python_module("bench.provider", "--port", str(port)), ready=ready
    )
    async with supervised(folder, [spec]) as supervisor:
        yield url, supervisor.pids["provider"]
