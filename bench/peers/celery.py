"""Celery on Redis, with a state machine in PostgreSQL: what most teams have today."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis.asyncio
from celery import Celery

from bench.books import open_books
from bench.load import drive
from bench.peers.floor import RunningFloor
from bench.peers.peer import PeerUnavailableError, Running, Site
from bench.peers.worker_processes import (
    OnSqlBooks,
    marked_ready,
    python_module,
    steps_environment,
    supervised,
)
from bench.ports import free_port
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec

SEEDING: Final = 20
"""How many sagas are open at once while the stores are filled."""


@dataclass
class RunningCelery(OnSqlBooks):
    """Sends the first task; each task sends the next."""

    app: Celery

    async def submit(self, saga: Saga) -> str:
        """Accept the payment, and send its first task."""
        payment = await self.books.accept(saga)
        self.app.send_task("bench.peers.celery_tasks.validate", [payment.id], ignore_result=True)
        return payment.id

    async def seed(self, sagas: list[Saga]) -> None:
        """Leave behind the same rows without tasks: nothing of a task that ended stays in Redis."""
        await drive(RunningFloor(self.books), sagas, concurrency=SEEDING)
        await self.books.mark_done()


class CeleryOnRedis:
    """Celery, Redis, PostgreSQL."""

    name = "celery"
    durable_steps = 5
    set_up = (
        "Celery with Redis as broker (append-only file, synced every second) and a state machine"
        " in PostgreSQL: five tasks, each moves internal_status in the commit of its effect and"
        " sends the next. Prefork, as many processes as workers, acks_late,"
        " reject_on_worker_lost, default prefetch, no results, no"
        " gossip, mingle or heartbeat."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start Redis and the workers."""
        port = free_port()
        broker = f"redis://127.0.0.1:{port}/0"
        supervisor = supervised(
            site.folder, [redis_server(port, site.folder), _workers(site, broker)]
        )
        async with (
            open_books(site.database_url, site.provider_url) as books,
            supervisor,
        ):
            with Celery("bench", broker=broker) as app:
                yield RunningCelery(books, supervisor, app)


def redis_server(port: int, folder: Path) -> ProcessSpec:
    """Return the broker, which keeps what it is told in the folder.

    Raises:
        PeerUnavailableError: It is not installed here.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise PeerUnavailableError("redis-server is not installed (apt-get install redis-server)")

    async def ready() -> bool:
        async with redis.asyncio.Redis(port=port) as client:
            return bool(await client.ping())

    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return ProcessSpec(name="redis", argv=(binary, *arguments), ready=ready)


def _workers(site: Site, broker: str) -> ProcessSpec:
    mark = site.folder / "ready"
    return ProcessSpec(
        name="worker",
        argv=python_module(
            "celery",
            *("-A", "bench.peers.celery_tasks", "worker", "--pool", "prefork"),
            *("--concurrency", str(site.workers), "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        env={
            **steps_environment(site),
            "BENCH_BROKER_URL": broker,
            "BENCH_READY_FILE": str(mark),
        },
        ready=marked_ready(mark),
    )
