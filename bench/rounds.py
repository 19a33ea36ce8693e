"""Runs an experiment: in each round every peer once, in turn, each by itself on the machine."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from bench import cpu
from bench.experiments import Experiment, Setting
from bench.load import Load, drive
from bench.peers.peer import Peer, PeerUnavailableError, Running, Site
from bench.peers.worker_processes import python_module, supervised
from bench.provider import BOOKS
from bench.results import Measurement, Result, percentile
from bench.saga import Saga, sagas
from perdure.core.errors import ConfigurationError
from perdure.embedded.locks import FileLock
from perdure.embedded.postgres import create_database, drop_database, start_postgres
from perdure.embedded.postgres_cluster import PostgresCluster
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.temporal import free_port

ALONE: Final = 10
"""How many sagas are carried out one by one for the latency without load."""
SLOWEST_PER_S: Final = 2
"""A peer slower than this is taken to hang."""
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
        Result(
            experiment.name,
            peer.name,
            asdict(setting),
            peer.durable_steps,
            peer.set_up,
        )
        for setting in experiment.settings
        for peer in peers
    ]
    for number in range(1, experiment.rounds + 1):
        for setting in experiment.settings:
            await _run_round(
                experiment, setting, peers, results, ground, number=number, report=report
            )
    return results


async def _run_round(
    experiment: Experiment,
    setting: Setting,
    peers: list[Peer],
    results: list[Result],
    ground: Ground,
    *,
    number: int,
    report: Report,
) -> None:
    measured: dict[str, Measurement] = {}
    for peer in peers:
        try:
            measured[peer.name] = found = await measure(peer, setting, experiment.sagas, ground)
        except PeerUnavailableError as error:
            _result(results, peer.name, setting).unavailable = str(error)
            continue
        report(
            f"{experiment.name} round {number}/{experiment.rounds}, {setting.concurrency} at once,"
            f" {peer.name}: {found.operations_per_s:.1f} operations/s"
        )
    for name, found in measured.items():
        _result(results, name, setting).add(found, measured.get("floor"))


def _result(results: list[Result], peer: str, setting: Setting) -> Result:
    wanted = asdict(setting)
    return next(found for found in results if found.peer == peer and found.setting == wanted)


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
    await _checkpoint(ground)
    async with _open_provider(folder / "provider") as (provider_url, provider_pid):
        site = Site(folder, ground.cache, database_url, provider_url, setting.workers)
        async with peer.start(site) as running:
            shared = {"postgres": ground.postgres_pid, "provider": provider_pid}
            try:
                measured, done = await _load(running, shared, setting, count)
            except (TimeoutError, ExceptionGroup) as error:
                raise RoundFailedError(f"{peer.name}: {error!r}; see {folder}/logs") from error
            async with httpx.AsyncClient(base_url=provider_url) as http:
                books: dict[str, int] = (await http.get(BOOKS)).json()
            wrong = await running.violations(done, books)
    if wrong:
        raise RoundFailedError(f"{peer.name}: {'; '.join(wrong)}")
    return measured


async def _load(
    running: Running, shared: Mapping[str, int], setting: Setting, count: int
) -> tuple[Measurement, list[Saga]]:
    """Warm the peer up, look at it without load, and load it."""
    before = sagas(setting.done_before)
    alone = sagas(ALONE, first=len(before))
    work = sagas(count, first=len(before) + len(alone))

    async def carry_out(part: list[Saga], concurrency: int) -> Load:
        timeout_s = 60 + len(part) / SLOWEST_PER_S
        return await drive(running, part, concurrency=concurrency, timeout_s=timeout_s)

    await carry_out(before, min(setting.concurrency, 50))
    unloaded = await carry_out(alone, 1)
    processes = {**shared, **running.processes}
    used_before_s = cpu.used_s(processes)
    load = await carry_out(work, setting.concurrency)
    await asyncio.sleep(SETTLE_S)
    used_s = cpu.used_s(processes)
    per_operation = cpu.by_purpose(
        {name: (used_s[name] - used_before_s[name]) * 1000 / count for name in used_s}
    )
    measured = Measurement(
        load.operations_per_s,
        load.latencies_ms,
        percentile(unloaded.latencies_ms, 50),
        per_operation,
    )
    return measured, [*before, *alone, *work]


async def _checkpoint(ground: Ground) -> None:
    """Have the server write out what the peer before left, so that this one does not pay for it."""
    connection = await asyncpg.connect(ground.postgres_url)
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@asynccontextmanager
async def _open_provider(folder: Path) -> AsyncIterator[tuple[str, int]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        async with httpx.AsyncClient(base_url=url, timeout=2) as http:
            return (await http.get(BOOKS)).is_success

    spec = ProcessSpec(
        name="provider", argv=python_module("bench.provider", "--port", str(port)), ready=ready
    )
    async with supervised(folder, [spec]) as supervisor:
        yield url, supervisor.pids["provider"]
