"""Options that several commands have, read by the rules of `core`."""

from datetime import datetime
from typing import Annotated

import typer

from perdure.core.money import read_amount_minor
from perdure.core.times import read_moment

_IN_MINOR_UNITS = "In minor units: 1250 is 12.50 USD."

AmountOption = Annotated[
    int, typer.Option(parser=read_amount_minor, metavar="INTEGER", help=_IN_MINOR_UNITS)
]
AmountArgument = Annotated[
    int, typer.Argument(parser=read_amount_minor, metavar="AMOUNT_MINOR", help=_IN_MINOR_UNITS)
]
Deadline = Annotated[
    datetime | None,
    typer.Option(
        parser=lambda text: read_moment("deadline", text),
        metavar="TIME",
        help="Cancelled, and undone, if it has not ended by then: 2030-01-31T12:00:00Z, say.",
    ),
]
