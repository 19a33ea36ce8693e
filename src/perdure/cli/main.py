"""The command `perdure`."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, NoReturn

import asyncpg
import structlog
import typer
from temporalio.service import RPCError

from perdure.cli import (
    bulk,
    chaos,
    demo,
    doctor,
    domains,
    flags,
    keys,
    lanes,
    ledger,
    legacy,
    limits,
    operations,
    payments,
    payments_import,
    processes,
    renewals,
    simulate,
    soak,
    transfers,
    up,
    verify,
)
from perdure.cli.environment import DATA_DIR, DATA_DIR_DEFAULT, DataFolder, load_environment
from perdure.cli.output import print_error
from perdure.core.errors import PerdureError
from perdure.storage.outages import CONNECTION_LOST

app = typer.Typer(
    name="perdure",
    help="Durable business operations: money and assets move completely, or not at all, once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("chaos")(chaos.chaos)
app.command("soak")(soak.soak)
app.command("doctor")(doctor.doctor)
app.command("lanes")(lanes.lanes)
app.command("verify")(verify.verify)
app.command("migrate")(processes.migrate)
app.command("api")(processes.api)
app.command("worker")(processes.worker)
app.add_typer(demo.app, name="demo")
app.add_typer(simulate.app, name="simulate")
payments.app.command("import")(payments_import.import_file)
app.add_typer(payments.app, name="payments")
app.add_typer(transfers.app, name="transfers")
app.add_typer(renewals.app, name="renewals")
app.add_typer(domains.app, name="domains")
app.add_typer(operations.app, name="operations")
app.add_typer(bulk.app, name="bulk")
app.add_typer(ledger.app, name="ledger")
app.add_typer(legacy.app, name="legacy")
app.add_typer(limits.app, name="limits")
app.add_typer(flags.app, name="flags")
app.add_typer(keys.app, name="keys")

_MAKE_THEIR_OWN_ENVIRONMENT: Final = {"up", "demo", "chaos", "soak"}
_INTERRUPTED: Final = 130


@app.callback()
def perdure(
    context: typer.Context,
    data_dir: Annotated[
        Path,
        typer.Option(
            envvar=DATA_DIR,
            help="The data folder of the `perdure up` to talk to; settings in the environment win.",
        ),
    ] = DATA_DIR_DEFAULT,
) -> None:
    """Durable business operations: money and assets move completely, or not at all, once."""
    # Set for this process and those it starts, so that settings agree on the folder.
    os.environ[DATA_DIR] = str(data_dir)
    if context.invoked_subcommand not in _MAKE_THEIR_OWN_ENVIRONMENT:
        load_environment(DataFolder(data_dir))
    # Commands tell what went wrong themselves; processes configure their own logs.
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """Run the command line.

    Ends with 0: done; 1: it could not be done, or what was checked is not right; 2: wrong usage;
    130: interrupted.
    """
    try:
        _run()
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else bool(ended.code))


def _leave(status: int) -> NoReturn:
    """End the process at once.

    The interpreter's own tidying up is left out: a thread of Temporal's client that is still
    connecting then aborts the process (seen with temporalio 1.35.0).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _run() -> NoReturn:
    try:
        app()
    except PerdureError as error:
        print_error(error)
    except asyncpg.UndefinedTableError:
        print_error("The database has no tables, or old ones. Run `perdure migrate`.")
    except CONNECTION_LOST as error:
        print_error(f"{_away(error)}: {error}. See what is wrong with `perdure doctor`.")
    except RPCError as error:
        print_error(f"Temporal: {error.message}. See what is wrong with `perdure doctor`.")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(1)


def _away(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return "A file cannot be used"
    return "The database cannot be reached"


if __name__ == "__main__":
    main()
