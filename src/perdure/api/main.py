"""The API process: serves until it is told to stop, then finishes what it holds."""

import signal
from typing import Final

import structlog
import uvicorn

from perdure.api.app import create_app
from perdure.config import Settings
from perdure.core.errors import ConfigurationError

log = structlog.get_logger()

_DRAIN_S: Final = 20
"""How long requests may go on after a stop was asked for, in seconds."""


async def run_api(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: It cannot start: a setting is wrong, the address is taken, or the
            database is away.
    """
    settings.require_database_url()
    # uvicorn raises the signals it caught once more when it has stopped; this has them end it
    # quietly, and the process with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
    log.info("api_starting", host=settings.api_host, port=settings.api_port)
    await server.serve()
    if not server.started:
        raise ConfigurationError(
            f"The API did not start on {settings.api_host}:{settings.api_port}; what stands before"
            " this in the log says why.",
            param="PERDURE_API_PORT",
        )
    log.info("api_stopped")
