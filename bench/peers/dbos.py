"""DBOS: durable workflows as a library, on the books' own PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dbos import DBOSClient, EnqueueOptions

from bench.books import open_books
from bench.peers.peer import Running, Site
from bench.peers.worker_processes import (
    OnSqlBooks,
    marked_ready,
    python_module,
    steps_environment,
    supervised,
)
from bench.saga import Saga
from perdure.embedded.processes import ProcessSpec


@dataclass
class RunningDbos(OnSqlBooks):
    """Enqueues a workflow for each saga."""

    client: DBOSClient

    async def submit(self, saga: Saga) -> str:
        """Accept the payment, and enqueue its workflow."""
        payment = await self.books.accept(saga)
        options: EnqueueOptions = {
            "queue_name": "sagas",
            "workflow_name": "pay",
            "workflow_id": payment.id,
            "app_version": "bench",
        }
        await self.client.enqueue_async(
            options, payment.id, payment.account_id, payment.amount_minor
        )
        return payment.id


class Dbos:
    """Five steps."""

    name = "dbos"
    durable_steps = 5
    set_up = (
        "DBOS with its system tables in the books' database: one workflow of five steps (psycopg"
        " pool, threads), enqueued by DBOSClient, taken by the worker processes from a queue polled"
        " every 50 ms (default: 1 s), 50 at once in each, pools of 20; HTTP by urllib3."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the workers; the first makes the system tables."""
        async with open_books(site.database_url, site.provider_url) as books:
            specs = [_worker(site, number) for number in range(1, site.workers + 1)]
            async with supervised(site.folder, specs) as supervisor:
                client = DBOSClient(
                    system_database_url=site.database_url, system_database_pool_size=20
                )
                try:
                    yield RunningDbos(books, supervisor, client)
                finally:
                    client.destroy()


def _worker(site: Site, number: int) -> ProcessSpec:
    name, mark = f"worker-{number}", site.folder / f"ready-{number}"
    return ProcessSpec(
        name=name,
        argv=python_module("bench.peers.dbos_worker", name, str(mark)),
        env=steps_environment(site),
        ready=marked_ready(mark),
    )
