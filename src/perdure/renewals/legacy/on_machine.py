"""The worker of the system that Perdure replaces, as a process."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog

from perdure.bootstrap import open_platform
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.config import Settings
from perdure.outside import host_of
from perdure.providers.registry import RegistryDirectory
from perdure.renewals.legacy.worker import LegacyRenewals
from perdure.renewals.outside import uses

log = structlog.get_logger()

CONNECTIONS_MAX: Final = 10
"""To each registry: the old system does so many at a time."""


def run_worker() -> None:
    """Run it until it is told to stop."""
    configure_logging()
    run_lasting(_work(Settings.load()))


@asynccontextmanager
async def open_registries(settings: Settings) -> AsyncIterator[RegistryDirectory]:
    """Open the old system's clients of the registries."""
    async with AsyncExitStack() as stack:
        registries = {}
        for use in uses(settings):
            host = host_of(use, connections_max=CONNECTIONS_MAX)
            registries[use.tld] = use.make(await stack.enter_async_context(host))
        yield RegistryDirectory(registries)


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        open_platform(settings, application_name="perdure-legacy") as platform,
        open_registries(settings) as registries,
    ):
        polling = asyncio.create_task(
            LegacyRenewals(platform.pool, platform.ledger, registries).run()
        )
        log.info("worker_started", role="legacy")
        await stop.wait()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
