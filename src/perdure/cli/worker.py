"""`perdure worker`: carries operations out, one process."""

from typing import Annotated

import typer

from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.config import Settings
from perdure.observability.process import observing
from perdure.worker.main import run_worker
from perdure.worker.plans import ALL


def worker(
    role: Annotated[
        str,
        typer.Option(
            help="operations, lanes, providers, notifications, one that a kind of operation has"
            f" for itself (fraud), or {ALL}."
        ),
    ] = ALL,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C, then finish what it holds."""
    configure_logging()
    with observing(f"worker-{role}"):
        run_lasting(run_worker(Settings.load(), role))
