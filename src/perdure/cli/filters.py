"""The options by which lists and bulks are filtered."""

from typing import Annotated, Final

import typer

from perdure.capability.assembly import operation_kinds

_KINDS: Final = operation_kinds()


def check_kind(name: str | None) -> str | None:
    """Return the name of a kind of operation, or refuse one that there is not."""
    if name is not None and name not in _KINDS:
        known = ", ".join(map(repr, _KINDS.names))
        raise typer.BadParameter(f"{name!r} is not one of {known}.")
    return name


KindFilter = Annotated[
    str | None,
    typer.Option(
        callback=check_kind, metavar=f"<{'|'.join(_KINDS.names)}>", help="Only of this kind."
    ),
]
