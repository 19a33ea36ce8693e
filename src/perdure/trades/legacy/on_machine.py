"""The old system's processes: a Celery worker, and the beat that has it look for what is due.

Celery is an extra, `perdure[legacy]`: nothing else imports it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import Any

from perdure.bootstrap import open_platform
from perdure.cli.logs import configure_logging
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.outside import open_outside, use_of
from perdure.trades.legacy.machine import LegacyTrades
from perdure.trades.legacy.settings import LegacyTradeSettings
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

try:
    from perdure.trades.legacy.tasks import add_tasks, celery_app
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        f"The old system's trades need {missing.name}: pip install 'perdure[legacy]'."
    ) from missing


def run_worker() -> None:
    """Run Celery's worker until it is told to stop."""
    configure_logging()
    settings = Settings.load()
    own = settings.of(LegacyTradeSettings)
    with _looping() as loop:

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        opened = open_trades(settings)
        app = celery_app(own)
        add_tasks(app, run(opened.__aenter__()), run)
        try:
            app.Worker(
                pool="threads",
                concurrency=own.tasks_at_once,
                loglevel="WARNING",
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            ).start()
        finally:
            run(opened.__aexit__(None, None, None))


def run_beat() -> None:
    """Run Celery's beat until it is told to stop."""
    configure_logging()
    app = celery_app(Settings.load().of(LegacyTradeSettings))
    app.Beat(scheduler="celery.beat:Scheduler", loglevel="WARNING", quiet=True).run()


@asynccontextmanager
async def open_trades(settings: Settings) -> AsyncIterator[LegacyTrades]:
    """Open what the old system's tasks work with."""
    own = settings.of(LegacyTradeSettings)
    assets, wallets = use_of(ASSETS_ROLE, settings), use_of(WALLETS_ROLE, settings)
    async with (
        open_platform(settings, application_name="perdure-legacy") as platform,
        open_outside(settings) as outside,
    ):
        yield LegacyTrades(
            platform.pool,
            platform.ledger,
            outside.made(assets),
            outside.made(wallets),
            timeout_s=max(assets.timeout_s, wallets.timeout_s),
            run_s=own.run_s,
        )


@contextmanager
def _looping() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread: Celery's tasks are plain functions, and block."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="legacy-loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
