"""How commands tell what ended them: the one place from errors to words."""

from typing import Final

import asyncpg
from temporalio.service import RPCError

from perdure.cli.output import print_error
from perdure.core.errors import PerdureError
from perdure.storage.outages import CONNECTION_LOST

_SEE: Final = "See what is wrong with `perdure doctor`."


def print_failure(error: Exception) -> bool:
    """Print what ended a command; False: it is none of what can be foreseen."""
    if isinstance(error, PerdureError):
        print_error(error)
    elif isinstance(error, asyncpg.UndefinedTableError):
        print_error("The database has no tables, or old ones. Run `perdure migrate`.")
    elif isinstance(error, CONNECTION_LOST):
        print_error(f"{_away(error)}: {error}. {_SEE}")
    elif isinstance(error, RPCError):
        print_error(f"Temporal: {error.message}. {_SEE}")
    else:
        return False
    return True


def _away(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return "A file cannot be used"
    return "The database cannot be reached"
