"""What commands print: tables for people, JSON for programs; errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perdure.core.errors import PerdureError


class OutputFormat(StrEnum):
    """How a command prints."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="Tables for people, or JSON for programs.")
]
"""The option every command with a result has."""

_WIDTH_UNWATCHED: Final = 10_000
"""Where nobody watches, a program reads: nothing is wrapped or cut."""


def _console(*, stderr: bool) -> Console:
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if watched else _WIDTH_UNWATCHED
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


out = _console(stderr=False)
err = _console(stderr=True)


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, default=_to_json), flush=True)  # noqa: T201 - the command's result


def _to_json(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a command's output")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings; columns whose heading begins with `#` are numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(
            column.removeprefix("#"),
            justify="right" if column[0] == "#" else "left",
            # What does not fit goes on in the next line: an id is never cut.
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row))
    out.print(table)


def print_fields(fields: dict[str, object]) -> None:
    """Print names and values, one a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, escape(cell(value)))
    out.print(table)


def cell(value: object) -> str:
    """Write a value for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


def print_error(error: PerdureError | str) -> None:
    """Print what went wrong, on stderr."""
    message = error if isinstance(error, str) else error.message
    if isinstance(error, PerdureError) and error.param and error.param not in message:
        message = f"{error.param}: {message}"
    err.print(f"error: {escape(message)}")
