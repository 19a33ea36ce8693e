"""The options of `perdure bulk`: which operations, and what is to be done to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from perdure.cli.operation_actions import read_patch
from perdure.core.errors import InvalidInput
from perdure.core.times import read_moment
from perdure.operations.bulk.model import BulkQuery, Selection
from perdure.operations.model import Status

BulkId = Annotated[str, typer.Argument(help="The bulk's id.", metavar="ID")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on every trail.")]
PerSecond = Annotated[
    float, typer.Option("--per-second", help="How many operations are acted on a second.")
]
Confirmed = Annotated[
    int | None,
    typer.Option("--confirm-count", help="How many these are; needed for more than 100."),
]


@dataclass(frozen=True, slots=True)
class Times:
    """The options that are times, as they were written."""

    created_after: str | None
    created_before: str | None
    updated_after: str | None
    updated_before: str | None

    def read(self) -> dict[str, datetime | None]:
        """Return them.

        Raises:
            InvalidInput: One is no time with its zone.
        """
        return {
            name: read_moment(name, value)
            for name in Times.__slots__
            if (value := getattr(self, name)) is not None
        }


def read_selection(
    *,
    texts: dict[str, str | None],
    status: Status | None,
    times: Times,
    metadata: Sequence[str],
    file: Path | None,
) -> Selection:
    """Return which operations the options name.

    Raises:
        InvalidInput: One cannot be read; or there are both a file and criteria.
    """
    criteria: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    criteria |= times.read()
    if status is not None:
        criteria["status"] = status
    if metadata:
        criteria["metadata"] = dict(_name_and_value(text) for text in metadata)
    if file is None:
        return BulkQuery(**criteria)
    if criteria:
        raise InvalidInput("Give a file of ids, or criteria; not both.", param="file")
    return read_ids(file)


def read_ids(file: Path) -> tuple[str, ...]:
    """Return the ids in a file: one a line; what follows a `#` is not looked at.

    Raises:
        InvalidInput: There are none, or it is no text in UTF-8.
        OSError: It cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not a text in UTF-8.", param="file") from None
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    ids = tuple(line for line in lines if line)
    if not ids:
        raise InvalidInput(f"{file} names no operation.", param="file")
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
