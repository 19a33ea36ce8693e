"""`perdure legacy`: the system that Perdure replaces, what it still holds, and moving it here."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Final

import structlog
import typer

from perdure.bootstrap import open_platform
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json_list,
    print_table,
)
from perdure.cli.session import actor, open_session, run
from perdure.config import Settings
from perdure.outside import host_of
from perdure.providers.registry import RegistryDirectory
from perdure.renewals.legacy import queue
from perdure.renewals.legacy.queue import Backlog
from perdure.renewals.legacy.worker import LegacyRenewals
from perdure.renewals.outside import uses

app = typer.Typer(
    help="The system that Perdure replaces: what it still holds, and moving it here.",
    no_args_is_help=True,
)
log = structlog.get_logger()

_BATCH: Final = 500
CONNECTIONS_MAX: Final = 10
"""To each registry: the old system does so many at a time."""


@app.command()
def status(output: Output = OutputFormat.TEXT) -> None:
    """Show the renewals that the old system still holds, by registry."""
    found = run(_status())
    if output == OutputFormat.JSON:
        print_json_list([asdict(backlog) for backlog in found])
        return
    if not found:
        out.print("The old system holds no renewals: it is drained.")
        return
    print_table(
        ("REGISTRY", "#QUEUED", "#RUNNING", "#FAILING", "OLDEST"),
        [(one.registry, one.queued, one.running, one.failing, one.oldest_at) for one in found],
    )


async def _status() -> list[Backlog]:
    async with open_session() as platform:
        return await queue.backlogs(platform.pool)


@app.command()
def move(
    registry: Annotated[str, typer.Argument(help="As `legacy status` shows it: registry-info.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on the trail.")],
) -> None:
    """Move what waits in the old system's queue to Perdure.

    What one of its workers has begun is left to it.
    """
    out.print(f"{run(_move(registry, reason)):,} moved.")


async def _move(registry: str, reason: str) -> int:
    moved = 0
    async with open_session() as platform:
        while True:
            async with platform.operations.transaction() as connection:
                found = await queue.move(
                    connection, registry, actor=actor(), reason=reason, limit=_BATCH
                )
            for operation in found:
                await platform.operations.launch(operation)
            moved += len(found)
            if len(found) < _BATCH:
                return moved


@app.command()
def worker() -> None:
    """Run the old system's worker, until it is told to stop."""
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
