"""`perdure api`: the HTTP API, one process."""

from perdure.api.main import run_api
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.config import Settings
from perdure.observability.process import observing


def api() -> None:
    """Serve the API until SIGTERM or Ctrl-C."""
    configure_logging()
    with observing("api"):
        run_lasting(run_api(Settings.load()))
