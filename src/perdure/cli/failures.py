"""How commands tell what ended them: the one place from errors to words."""

from typing import Final

import asyncpg
from temporalio.service import RPCError

from perdure.cli.output import print_error
from perdure.core.errors import PerdureError
from perdure.storage.outages import Outage, outage_of

_SEE: Final = "See what is wrong with `perdure doctor`."
_OUTAGES: Final = {
    Outage.AWAY: "The database cannot be reached",
    Outage.READ_ONLY: "The database takes no changes",
    Outage.FULL: "The database has no room",
    Outage.GAVE_WAY: "The database gave way to others; run it again",
}


def print_failure(error: Exception) -> bool:
    """Print what ended a command; False: it is none of what can be foreseen."""
    if isinstance(error, PerdureError):
        print_error(error)
    elif isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        told = "The database has no tables, or old ones. Run `perdure migrate`."
        print_error(told, code="database_not_migrated")
    elif isinstance(error, asyncpg.InsufficientPrivilegeError):
        told = f"The database does not let its user do this: {error}."
        print_error(told, code="database_refused")
    elif isinstance(error, OSError) and error.filename:
        print_error(f"A file cannot be used: {error}.", code="file_unusable")
    elif (outage := outage_of(error)) is not None:
        told = f"{_OUTAGES[outage]}: {str(error) or 'no answer'}. {_SEE}"
        print_error(told, code="database_unavailable")
    elif isinstance(error, RPCError):
        print_error(f"Temporal: {error.message}. {_SEE}", code="engine_unavailable")
    else:
        return False
    return True
