"""Temporal as its tutorials write it: every step a regular activity."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client

from bench.books import open_books
from bench.peers.peer import Running, Site
from bench.peers.temporal_engine import temporal_server
from bench.peers.temporal_saga import TASK_QUEUE, MoneyTransfer
from bench.peers.worker_processes import (
    OnSqlBooks,
    marked_ready,
    python_module,
    started_together,
    steps_environment,
    supervised,
)
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec


@dataclass
class RunningTemporal(OnSqlBooks):
    """Starts a workflow for each saga."""

    client: Client

    async def submit(self, saga: Saga) -> str:
        """Accept the payment, and start its workflow."""
        payment = await self.books.accept(saga)
        await self.client.start_workflow(
            MoneyTransfer.run, payment, id=payment.id, task_queue=TASK_QUEUE
        )
        return payment.id


class TemporalTutorial:
    """Five regular activities."""

    name = "temporal-tutorial"
    durable_steps = 5
    set_up = (
        "Temporal's Python SDK as the tutorials use it: five regular activities (async: asyncpg,"
        " aiohttp, uvloop), sandbox on, default worker settings, on the same dev server with the"
        " same settings as Perdure's."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the server and the workers."""
        server = temporal_server(site.folder)
        workers = [_worker(site, server.address, number) for number in range(1, site.workers + 1)]
        supervisor = supervised(site.folder, [server.process(), *started_together(workers)])
        async with open_books(site.database_url, site.provider_url) as books, supervisor:
            yield RunningTemporal(books, supervisor, await Client.connect(server.address))


def _worker(site: Site, address: str, number: int) -> ProcessSpec:
    mark = site.folder / f"ready-{number}"
    return ProcessSpec(
        name=f"worker-{number}",
        argv=python_module("bench.peers.temporal_worker", address, str(mark)),
        env=steps_environment(site),
        ready=marked_ready(mark),
    )
