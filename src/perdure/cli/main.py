"""The command `perdure`."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from perdure.cli.command_group import CommandGroup
from perdure.cli.environment import DATA_DIR, DATA_DIR_DEFAULT, DataFolder, load_environment
from perdure.cli.output import out, print_error, wants_json
from perdure.core.errors import InvalidInput, PerdureError

app = typer.Typer(
    name="perdure",
    help="Durable business operations: money and assets move completely, or not at all, once.",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MAKE_THEIR_OWN_ENVIRONMENT: Final = {"up", "demo", "chaos", "soak"}
_INTERRUPTED: Final = 130
_STDERR: Final = 2
_WRONG_USAGE: Final = 2


def _print_version(asked: bool) -> None:
    if asked:
        # It takes longer than most commands.
        from importlib.metadata import version  # noqa: PLC0415

        out.print(f"perdure {version('perdure')}")
        raise typer.Exit


@app.callback()
def perdure(
    context: typer.Context,
    *,
    data_dir: Annotated[
        Path,
        typer.Option(
            envvar=DATA_DIR,
            help="The data folder of the `perdure up` to talk to; settings in the environment win.",
        ),
    ] = DATA_DIR_DEFAULT,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Durable business operations: money and assets move completely, or not at all, once."""
    # Set for this process and those it starts, so that settings agree on the folder.
    os.environ[DATA_DIR] = str(data_dir)
    if context.invoked_subcommand not in _MAKE_THEIR_OWN_ENVIRONMENT:
        load_environment(DataFolder(data_dir))


def main() -> None:
    """Run the command line.

    Ends with 0: done; 1: it could not be done, or what was checked is not right; 2: wrong usage;
    130: interrupted.
    """
    _hold_standard_streams()
    try:
        _run()
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else bool(ended.code))


def _hold_standard_streams() -> None:
    """Open what of stdin, stdout and stderr was closed, on nothing.

    Their numbers would be given to a connection, which Temporal's client then takes for stderr.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse what is not UTF-8: it can be neither stored nor printed.

    Raises:
        InvalidInput: The argument, as far as it can be read.
    """
    for argument in arguments:
        readable = argument.encode(errors="replace").decode()
        if readable != argument:
            raise InvalidInput(f"{readable!r} is not UTF-8; write it anew, or rename the file.")


def _leave(status: int) -> NoReturn:
    """End the process at once.

    The interpreter's own tidying up is left out: a thread of Temporal's client that is still
    connecting then aborts the process (seen with temporalio 1.35.0).
    """
    for stream in (sys.stdout, sys.stderr):
        # One that was closed when the process began is None.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def _run() -> NoReturn:
    try:
        check_arguments(sys.argv)
        # A program that wants JSON is told of wrong usage in JSON too.
        sys.exit(app(standalone_mode=not wants_json(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except typer.TyperException as error:
        # In its own words, which name the option.
        print_error(getattr(error, "format_message", error.__str__)(), code="wrong_usage")
        sys.exit(getattr(error, "exit_code", _WRONG_USAGE))
    except PerdureError as error:
        print_error(error)
    except Exception as error:
        # Not needed by those that end well, which are to begin quickly.
        from perdure.cli.failures import print_failure  # noqa: PLC0415

        if not print_failure(error):
            raise
    sys.exit(1)


if __name__ == "__main__":
    main()
