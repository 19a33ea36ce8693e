"""`perdure api`, `worker` and `migrate`: one process of the platform each."""

from typing import Annotated

import typer

from perdure.api.main import run_api
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.cli.output import out
from perdure.cli.session import run
from perdure.config import Settings
from perdure.storage.migrate import migrate as run_migrations
from perdure.storage.migrate import missing_migrations
from perdure.worker.main import run_worker


def api() -> None:
    """Serve the API until SIGTERM or Ctrl-C."""
    configure_logging()
    run_lasting(run_api(Settings.load()))


def worker(
    role: Annotated[
        str, typer.Option(help="operations, fraud, notifications, providers, or all.")
    ] = "all",
) -> None:
    """Run a worker until SIGTERM or Ctrl-C, then finish what it holds."""
    configure_logging()
    run_lasting(run_worker(Settings.load(), role))


def migrate() -> None:
    """Bring the database to this version's tables; harmless to repeat."""
    applied = run(_migrate(Settings.load().require_database_url()))
    out.print(f"Applied: {', '.join(applied)}" if applied else "Nothing to apply.")


async def _migrate(database_url: str) -> list[str]:
    missing = await missing_migrations(database_url)
    await run_migrations(database_url)
    return missing
