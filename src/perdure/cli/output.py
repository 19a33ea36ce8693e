"""What commands print: tables for people, JSON for programs; errors on stderr."""

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console

from perdure.core.errors import PerdureError


class OutputFormat(StrEnum):
    """How a command prints."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="Tables for people, or JSON for programs.")
]
"""The option every command with a result has."""

_GAP: Final = "  "
_TEXT_WIDTH_MIN: Final = 40
"""What is longer is a text: all else, an id or a time, is never wrapped."""


def _console(*, stderr: bool) -> Console:
    return Console(
        stderr=stderr,
        # Lines are never wrapped here: a terminal does that by itself, and a program reads lines.
        soft_wrap=True,
        # What is told is printed as it is written: `[a]`, `:x:` and numbers mean nothing more.
        markup=False,
        emoji=False,
        highlight=False,
    )


out = _console(stderr=False)
err = _console(stderr=True)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, also where it cannot be understood as a whole."""
    wanted = False
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if before in ("-o", "--output"):
            wanted = argument == OutputFormat.JSON
        elif argument.startswith(("-o", "--output=")):
            wanted = argument in ("-ojson", "--output=json")
    return wanted


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, default=_to_json), flush=True)  # noqa: T201 - the command's result


def print_json_list(data: Sequence[object], *, has_more: bool = False) -> None:
    """Print a list as the API shows one.

    Args:
        has_more: There are more beyond this page.
    """
    print_json({"object": "list", "data": data, "has_more": has_more})


def tell_of_more(last: object) -> None:
    """Tell the person at the terminal how the next page is had."""
    err.print(f"There are more: add --starting-after {last}")


def tell(message: str) -> None:
    """Tell the person at the terminal what goes on; who wants JSON is not told."""
    if not wants_json(sys.argv[1:]):
        err.print(message)


def _to_json(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a command's output")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings; columns whose heading begins with `#` are numbers.

    Only long texts are wrapped, and only on a terminal: an id is never broken.
    """
    cells = [[cell(value) for value in row] for row in rows]
    names = [column.removeprefix("#") for column in columns]
    numbers = [column[0] == "#" for column in columns]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    if out.is_terminal:
        # What is left of a line is the texts' own, in equal parts.
        texts = [width > _TEXT_WIDTH_MIN for width in widths]
        taken = sum(width for width, text in zip(widths, texts, strict=True) if not text)
        left = out.width - taken - len(_GAP) * (len(widths) - 1)
        share = max(left // max(sum(texts), 1), _TEXT_WIDTH_MIN)
        words = [max(map(_longest_word, column)) for column in zip(names, *cells, strict=True)]
        widths = [
            max(min(width, share), word) if text else width
            for width, word, text in zip(widths, words, texts, strict=True)
        ]
    out.print(next(_lines(names, widths, numbers)), style="bold")
    for row in cells:
        for line in _lines(row, widths, numbers):
            out.print(line)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _lines(row: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> Iterator[str]:
    """Return the lines of a row, each cell wrapped to its width."""
    wrapped = [
        textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        if cell_len(text) > width
        else [text]
        for text, width in zip(row, widths, strict=True)
    ]
    for parts in zip_longest(*wrapped, fillvalue=""):
        placed = []
        for part, width, number in zip(parts, widths, numbers, strict=True):
            space = " " * (width - cell_len(part))
            placed.append(space + part if number else part + space)
        yield _GAP.join(placed).rstrip()


def print_fields(fields: dict[str, object]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        out.print(f"{name:<{width}}", style="bold", end=_GAP)
        out.print(cell(value))


def cell(value: object) -> str:
    """Write a value for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, dict):
        return json.dumps(value, default=_to_json)
    if isinstance(value, list):
        return " ".join(map(cell, value)) or "-"
    return " ".join(str(value).splitlines())


def read_time(text: str | None) -> datetime | None:
    """Return a time of the API's, to be written for people."""
    return datetime.fromisoformat(text) if text is not None else None


def moment(at: datetime, *, timespec: str = "seconds") -> str:
    """Write a time in this machine's zone, and say which that is."""
    with suppress(OverflowError):  # the last day that UTC has may be none in this zone
        at = at.astimezone()
    return at.isoformat(sep=" ", timespec=timespec)


def print_error(error: PerdureError | str, *, code: str = "not_done") -> None:
    """Print what went wrong, on stderr: in words, or as JSON where the command line asks for it.

    Args:
        code: Of what is no error of ours.
    """
    message, param = (error, None) if isinstance(error, str) else (error.message, error.param)
    if isinstance(error, PerdureError):
        code = error.code
    if wants_json(sys.argv[1:]):
        told = {"error": {"code": code, "message": message, "param": param}}
        print(json.dumps(told), file=sys.stderr, flush=True)  # noqa: T201 - for a program
        return
    if param and param not in message:
        message = f"{param}: {message}"
    err.print(f"error: {message}")
