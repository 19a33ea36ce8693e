"""The options by which lists and bulks are filtered."""

from typing import Annotated

import typer

from perdure.bootstrap import KINDS


def check_kind(name: str | None) -> str | None:
    """Return the name of a kind of operation, or refuse one that there is not."""
    if name is not None and name not in KINDS:
        known = ", ".join(map(repr, KINDS.names))
        raise typer.BadParameter(f"{name!r} is not one of {known}.")
    return name


KindFilter = Annotated[
    str | None,
    typer.Option(
        callback=check_kind, metavar=f"<{'|'.join(KINDS.names)}>", help="Only of this kind."
    ),
]
