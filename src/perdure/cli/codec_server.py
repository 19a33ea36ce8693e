"""`perdure codec-server`: what Temporal keeps, shown to those who may see it; one process."""

from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.codec_server.main import run_codec_server
from perdure.config import Settings
from perdure.observability.process import observing


def codec_server() -> None:
    """Decode payloads for Temporal's UI and command line until SIGTERM or Ctrl-C."""
    configure_logging()
    with observing("codec-server"):
        run_lasting(run_codec_server(Settings.load()))
