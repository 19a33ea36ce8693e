"""How commands tell what ended them: the one place from errors to words."""

import os
from pathlib import Path
from typing import Final

import asyncpg
from temporalio.service import RPCError

from perdure.cli.environment import (
    DATA_DIR,
    DATA_DIR_DEFAULT,
    DataFolder,
    read_environment,
)
from perdure.cli.output import print_error
from perdure.embedded.leftovers import process_record
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
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        told = "The database has no tables, or old ones. Run `perdure migrate`."
        print_error(told, code="database_not_migrated")
    elif isinstance(error, asyncpg.InsufficientPrivilegeError):
        told = f"The database does not let its user do this: {error}."
        print_error(told, code="database_refused")
    elif isinstance(error, OSError) and error.filename:
        print_error(f"A file cannot be used: {error}.", code="file_unusable")
    elif (outage := outage_of(error)) is not None:
        told = f"{_OUTAGES[outage]}: {str(error) or 'no answer'}. {_what_to_do(outage)}"
        print_error(told, code="database_unavailable")
    elif isinstance(error, RPCError):
        print_error(f"Temporal: {error.message}. {_SEE}", code="engine_unavailable")
    else:
        return False
    return True


def _what_to_do(outage: Outage) -> str:
    folder = DataFolder(Path(os.environ.get(DATA_DIR, DATA_DIR_DEFAULT)))
    named = read_environment(folder.environment_path).get("DATABASE_URL")
    is_its_own = named is not None and named == os.environ.get("DATABASE_URL")
    if outage is Outage.AWAY and is_its_own and not process_record(folder.path).is_running():
        return (
            f"`perdure up` is not running on {folder.path}: start it, or set DATABASE_URL to a"
            " database that runs."
        )
    return _SEE
