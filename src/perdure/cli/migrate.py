"""`perdure migrate`: the database's tables."""

from perdure.cli.output import out
from perdure.cli.session import run
from perdure.config import Settings
from perdure.schema import migrate as run_migrations


def migrate() -> None:
    """Bring the database to this version's tables; harmless to repeat."""
    applied = run(run_migrations(Settings.load().require_database_url()))
    out.print(f"Applied: {', '.join(applied)}" if applied else "Nothing to apply.")
