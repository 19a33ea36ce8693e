"""`perdure archive`: what ended long ago, month by month."""

import re
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json,
    print_json_list,
    print_table,
)
from perdure.cli.session import open_session, run
from perdure.core.errors import InvalidInput
from perdure.operations import archive_files
from perdure.operations.archive_files import Month

app = typer.Typer(
    help="What is known of operations that ended long ago, month by month.", no_args_is_help=True
)

_File = Annotated[Path, typer.Argument(help="The file of a month.")]


@app.command()
def months(output: Output = OutputFormat.TEXT) -> None:
    """List the months there are, in the database and exported."""
    found = run(_months())
    if output == OutputFormat.JSON:
        print_json_list([_as_json(each) for each in found])
        return
    columns = ("month", "operations", "bytes", "exported to", "exported at")
    print_table(columns, [tuple(_as_json(each).values()) for each in found])


@app.command()
def export(
    month: Annotated[str, typer.Argument(help="As 2026-05.")],
    file: Annotated[Path, typer.Argument(help="Where to: JSON lines in gzip.")],
) -> None:
    """Write a month to a file, and take it out of the database once the file reads back whole.

    Its operations are listed and shown as before, without their timelines.
    """
    done = run(_export(_month(month), file))
    out.print(f"Exported {done.operations} operations of {month} to {file}. Keep it.")


@app.command()
def load(file: _File) -> None:
    """Have the operations of a file in the database again."""
    done = run(_load(file))
    out.print(f"Loaded {done.operations} operations of {done.month:%Y-%m}.")


@app.command()
def show(
    file: _File, operation_id: Annotated[str, typer.Argument(help="The operation's id.")]
) -> None:
    """Show what a file has of an operation, as JSON."""
    print_json(archive_files.read_operation(file, operation_id))


async def _months() -> list[Month]:
    async with open_session() as platform:
        return await archive_files.months(platform.pool)


async def _export(month: date, file: Path) -> Month:
    async with open_session() as platform:
        return await archive_files.export_month(platform.pool, month, file)


async def _load(file: Path) -> Month:
    async with open_session() as platform:
        return await archive_files.load_month(platform.pool, file)


def _month(text: str) -> date:
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        return date.fromisoformat(f"{text}-01")
    raise InvalidInput(f"{text!r} is no month; write it as 2026-05.", param="month")


def _as_json(each: Month) -> dict[str, object]:
    return asdict(each) | {"month": f"{each.month:%Y-%m}"}
