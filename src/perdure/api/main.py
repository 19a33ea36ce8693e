"""The API process: serves until it is told to stop, then finishes what it holds."""

import signal
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from perdure.api.app import create_app
from perdure.api.connections import ConnectionLimits, protocol_with
from perdure.api.listener import open_listener
from perdure.bootstrap import Platform, open_platform
from perdure.capabilities import attribute, installed
from perdure.config import Settings
from perdure.observability.runtime import process_runtime

log = structlog.get_logger()

_DRAIN_S: Final = 20
"""How long requests may go on after a stop was asked for, in seconds."""


async def run_api(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: A setting is wrong, or the address is taken.
        OSError: The database cannot be reached.
    """
    end_quietly()
    async with open_platform(
        settings, application_name="perdure-api", runtime=process_runtime("api", settings.build)
    ) as platform:
        for kind in installed().values():
            if kind.before_serving is not None:
                attribute(kind.before_serving)(settings)
        with open_listener(settings.api_host, settings.api_port) as listener:
            host, port = listener.getsockname()[:2]
            log.info("api_started", host=host, port=port)
            await server_of(platform).serve(sockets=[listener])
    log.info("api_stopped")


def end_quietly() -> None:
    """Have SIGTERM and SIGINT end the process with 0, once its server has stopped.

    uvicorn raises the signals it caught once more then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def server_of(platform: Platform) -> uvicorn.Server:
    """Return a server of the API."""
    return serving(create_app(platform), platform.settings)


def serving(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol_with(_limits_of(settings)),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )


def _limits_of(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        header_bytes_max=settings.api_header_bytes_max,
        header_count_max=settings.api_header_count_max,
        header_timeout_s=settings.api_header_timeout_s,
        body_timeout_s=settings.api_body_timeout_s,
    )
