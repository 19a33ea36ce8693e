"""The API process: serves until it is told to stop, then finishes what it holds."""

import signal
import socket
from typing import Final

import structlog
import uvicorn

from perdure.api.app import create_app
from perdure.bootstrap import Platform, open_platform
from perdure.config import Settings
from perdure.core.errors import ConfigurationError

log = structlog.get_logger()

_BACKLOG: Final = 2048
_DRAIN_S: Final = 20
"""How long requests may go on after a stop was asked for, in seconds."""


async def run_api(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: A setting is wrong, or the address is taken.
        OSError: The database cannot be reached.
    """
    # uvicorn raises the signals it caught once more when it has stopped; this has them end it
    # quietly, and the process with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with open_platform(settings, application_name="perdure-api") as platform:
        with _listen(settings.api_host, settings.api_port) as listener:
            host, port = listener.getsockname()[:2]
            log.info("api_started", host=host, port=port)
            await server_of(platform).serve(sockets=[listener])
    log.info("api_stopped")


def server_of(platform: Platform) -> uvicorn.Server:
    """Return a server of the application."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(platform),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"The API cannot listen on {host}:{port}: {error.strerror}. Set PERDURE_API_HOST and"
            " PERDURE_API_PORT to an address that is free.",
            param="PERDURE_API_PORT",
        ) from error
    # Connections inherit it. asyncio sets it only on those it opens itself, and without it a small
    # answer can wait 40 ms for the one before to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
