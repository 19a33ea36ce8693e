"""The options of `perdure bulk`: which operations, and what is to be done to them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.cli.api_client import ApiClient, part
from perdure.cli.operation_actions import read_patch
from perdure.core.errors import InvalidInput

_IDS_AT_ONCE: Final = 10_000
"""What one request takes."""

BulkId = Annotated[str, typer.Argument(help="The bulk's id.", metavar="ID")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on every trail.")]
PerSecond = Annotated[
    float, typer.Option("--per-second", help="How many operations are acted on a second.")
]
Confirmed = Annotated[
    int | None,
    typer.Option("--confirm-count", help="How many these are; needed for more than 100."),
]


def read_criteria(
    criteria: Mapping[str, str | None], metadata: Sequence[str], *, file: Path | None
) -> dict[str, Any]:
    """Return what holds for the operations that the options name; nothing, where a file names them.

    Raises:
        InvalidInput: One cannot be read; or there are both a file and criteria.
    """
    query: dict[str, Any] = {name: text for name, text in criteria.items() if text is not None}
    if metadata:
        query["metadata"] = dict(_name_and_value(text) for text in metadata)
    if query and file is not None:
        raise InvalidInput("Give a file of ids, or criteria; not both.", param="file")
    return query


def name_listed(api: ApiClient, path: str, file: Path) -> dict[str, Any]:
    """Return which operations a file names, as the API is told: their ids, or a list of them.

    A list is put together there part by part, and does nothing by itself: where this ends in the
    middle, nothing was done.

    Raises:
        InvalidInput: As `read_ids`.
    """
    parts = read_ids(file)
    first, second = next(parts), next(parts, None)
    if second is None:
        return {"ids": first}
    list_id: str = api.post(f"{path}/lists", {})["id"]
    for ids in chain((first, second), parts):
        # What the list has is not added again.
        api.post(f"{path}/lists/{part(list_id)}/ids", {"ids": ids}, with_key=False)
    return {"list_id": list_id}


def read_ids(file: Path) -> Iterator[list[str]]:
    """Yield the ids in a file, in parts: one a line; what follows a `#` is not looked at.

    Raises:
        InvalidInput: There are none, or it is no text in UTF-8.
        OSError: It cannot be read.
    """
    is_empty = True
    try:
        with file.open(encoding="utf-8-sig") as lines:
            ids = filter(None, (line.partition("#")[0].strip() for line in lines))
            while found := list(islice(ids, _IDS_AT_ONCE)):
                is_empty = False
                yield found
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not a text in UTF-8.", param="file") from None
    if is_empty:
        raise InvalidInput(f"{file} names no operation.", param="file")


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
