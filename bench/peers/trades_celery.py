"""Trades in the old way: Celery over Redis, with the state machine of `perdure.trades.legacy`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import redis.asyncio
from celery import Celery
from temporalio.client import Client

from bench.peers.celery import redis_server
from bench.peers.peer import Running, Site
from bench.peers.trades import RunningTrades, Services, open_trading, simulated_services
from bench.peers.worker_processes import python_module, started_together, supervised
from bench.ports import free_port
from bench.saga import Saga
from perdure.core.gears import AskedGear
from perdure.embedded.processes import ProcessSpec
from perdure.flags.routing import EngineVariant
from perdure.legacy import queue
from perdure.schema import migrate
from perdure.trades.contracts import KIND
from perdure.trades.legacy.settings import LegacyTradeSettings
from perdure.trades.legacy.tasks import ADVANCE, celery_app

_FIRST_MAX: Final = 100
_NOWHERE: Final = "127.0.0.1:1"
"""Of a Temporal server that nobody asks."""


@dataclass(slots=True)
class RunningCeleryTrades(RunningTrades):
    """Takes trades in for the old system, and sends each one's first task."""

    app: Celery

    async def submit(self, saga: Saga) -> str:
        """Take a trade in, and send its first task: the reconciler would a second later."""
        (operation,) = await self.accept([saga])
        for turn in await queue.take(self.platform.pool, KIND, limit=_FIRST_MAX, sends=True):
            self.app.send_task(ADVANCE, [turn.operation_id, turn.internal_status, turn.attempt])
        return operation.id


class CeleryTrades:
    """The old way of trades."""

    name = "trades-celery"
    durable_steps = 4
    set_up = (
        "The old way of trades: Celery with Redis as broker (append-only file, synced every second)"
        " and the state machine of `perdure.trades.legacy`, each task one try at what is next,"
        " written by compare-and-set. As many worker processes as there are workers, with 16"
        " threads each, acks_late, and the beat that has the reconciler look each second; the first"
        " task of a trade is sent at once. Trades are taken in as by Perdure, on the same services."
    )

    @asynccontextmanager
    async def start(self, site: Site) -> AsyncIterator[Running]:
        """Start the services, Redis, the workers and the beat."""
        services, port = simulated_services(site), free_port()
        broker = f"redis://127.0.0.1:{port}/0"
        await migrate(site.database_url)
        async with (
            supervised(
                site.folder,
                [
                    *services.processes,
                    redis_server(port, site.folder),
                    *_processes(site, services, broker, port),
                ],
            ) as supervisor,
            open_trading(
                site, services, await Client.connect(_NOWHERE, lazy=True), EngineVariant.LEGACY
            ) as (platform, account_ids),
        ):
            with celery_app(LegacyTradeSettings(broker_url=broker)) as app:
                yield RunningCeleryTrades(
                    platform, account_ids, supervisor, services, AskedGear.AUTO, app
                )


def _processes(site: Site, services: Services, broker: str, port: int) -> list[ProcessSpec]:
    environment = {
        "DATABASE_URL": site.database_url,
        "PERDURE_DATA_DIR": str(site.folder),
        "PERDURE_LEGACY_BROKER_URL": broker,
        **services.environment,
    }

    async def all_listen() -> bool:
        async with redis.asyncio.Redis(port=port) as client:
            waiting = [one for one in await client.client_list() if one["cmd"] == "brpop"]
        return len(waiting) >= site.workers

    names = ["beat", *(f"worker-{number}" for number in range(1, site.workers + 1))]
    return started_together(
        [
            ProcessSpec(
                name=name,
                argv=python_module(
                    *("perdure.cli.main", "legacy", name.partition("-")[0], "--kind", "trades")
                ),
                env=environment,
                ready=all_listen,
            )
            for name in names
        ]
    )
