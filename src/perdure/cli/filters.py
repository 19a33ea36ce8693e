"""The options by which lists and bulks are filtered."""

from typing import Annotated, Final

import typer

from perdure.capabilities import installed
from perdure.operations.bulk.model import KIND as BULK

_KINDS: Final = sorted([*installed(), BULK])


def check_kind(name: str | None) -> str | None:
    """Return the name of a kind of operation, or refuse one that there is not."""
    if name is not None and name not in _KINDS:
        known = ", ".join(map(repr, _KINDS))
        raise typer.BadParameter(f"{name!r} is not one of {known}.")
    return name


KindFilter = Annotated[
    str | None,
    typer.Option(callback=check_kind, metavar=f"<{'|'.join(_KINDS)}>", help="Only of this kind."),
]
