"""The options of `perdure bulk`: which operations, and what is to be done to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.cli.operation_actions import read_patch
from perdure.core.errors import InvalidInput

_IDS_MAX: Final = 10_000

BulkId = Annotated[str, typer.Argument(help="The bulk's id.", metavar="ID")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on every trail.")]
PerSecond = Annotated[
    float, typer.Option("--per-second", help="How many operations are acted on a second.")
]
Confirmed = Annotated[
    int | None,
    typer.Option("--confirm-count", help="How many these are; needed for more than 100."),
]


def read_selection(
    *, criteria: Mapping[str, str | None], metadata: Sequence[str], file: Path | None
) -> dict[str, Any]:
    """Return which operations the options name, as the API is told.

    Raises:
        InvalidInput: One cannot be read; or there are both a file and criteria.
    """
    query: dict[str, Any] = {name: text for name, text in criteria.items() if text is not None}
    if metadata:
        query["metadata"] = dict(_name_and_value(text) for text in metadata)
    if file is None:
        return {"query": query}
    if query:
        raise InvalidInput("Give a file of ids, or criteria; not both.", param="file")
    return {"ids": read_ids(file)}


def read_ids(file: Path) -> list[str]:
    """Return the ids in a file: one a line; what follows a `#` is not looked at.

    Raises:
        InvalidInput: There are none, or too many, or it is no text in UTF-8.
        OSError: It cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not a text in UTF-8.", param="file") from None
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    ids = [line for line in lines if line]
    if not ids:
        raise InvalidInput(f"{file} names no operation.", param="file")
    if len(ids) > _IDS_MAX:
        raise InvalidInput(
            f"{file} names {len(ids):,} operations; one bulk takes {_IDS_MAX:,} by their ids. Split"
            " it, or give criteria.",
            param="file",
        )
    return ids


def read_arguments(patch: str | None, settings: Sequence[str], *, go_on: bool) -> dict[str, Any]:
    """Return what the action takes beside the operation.

    Raises:
        InvalidInput: The patch cannot be read.
    """
    arguments: dict[str, Any] = {}
    if patch is not None or settings:
        arguments["patch"] = read_patch(patch or "{}", list(settings))
    if not go_on:
        arguments["go_on"] = False
    return arguments


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{text!r} is not of the form name=value.", param="metadata")
    return name, value
