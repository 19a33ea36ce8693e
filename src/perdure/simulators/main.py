"""One simulator as a process."""

import asyncio
import signal
from contextlib import AbstractAsyncContextManager

import structlog

log = structlog.get_logger()


async def run_simulator(name: str, server: AbstractAsyncContextManager[object]) -> None:
    """Run a simulator until SIGTERM or SIGINT.

    Args:
        server: Runs while it is entered; yields where it listens.

    Raises:
        ConfigurationError: A port is taken, or the data directory is in use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with server as port:
        log.info("simulator_started", simulator=name, port=port)
        await stop.wait()
    log.info("simulator_stopped", simulator=name)
