"""The codec server's process: serves until it is told to stop."""

import structlog

from perdure.api.listener import open_listener
from perdure.api.main import end_quietly, serving
from perdure.bootstrap import open_platform
from perdure.codec_server.app import create_app
from perdure.codec_server.settings import CodecServerSettings
from perdure.config import Settings

log = structlog.get_logger()


async def run_codec_server(settings: Settings) -> None:
    """Run the codec server until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: A setting is wrong, or the address is taken.
        OSError: The database cannot be reached.
    """
    end_quietly()
    own = settings.of(CodecServerSettings)
    async with open_platform(settings, application_name="perdure-codec-server") as platform:
        with open_listener(own.host, own.port, prefix="PERDURE_CODEC_SERVER_") as listener:
            host, port = listener.getsockname()[:2]
            log.info("codec_server_started", host=host, port=port)
            await serving(create_app(platform, own), settings).serve(sockets=[listener])
    log.info("codec_server_stopped")
