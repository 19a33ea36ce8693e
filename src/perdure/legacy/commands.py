"""`perdure legacy`: the system that Perdure replaces, what it still holds, and moving it here."""

from typing import Annotated

import typer

from perdure.capabilities import attribute
from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json,
    print_json_list,
    print_table,
    read_time,
)
from perdure.core.errors import InvalidInput
from perdure.core.times import read_moment
from perdure.legacy.way import LegacyWay
from perdure.legacy.ways import ways_by_plural

app = typer.Typer(no_args_is_help=True)

Kind = Annotated[str, typer.Option("--kind", help="The kind, by its plural: trades.")]


@app.command()
def status(output: Output = OutputFormat.TEXT) -> None:
    """Show what the old system still holds, by its parts."""
    found = open_api().get("/v1/legacy")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    if not found:
        out.print("The old system holds nothing: it is drained.")
        return
    fields = ("kind", "part", "queued", "running", "failing")
    print_table(
        ("KIND", "PART", "#QUEUED", "#RUNNING", "#FAILING", "OLDEST"),
        [[*(one[name] for name in fields), read_time(one["oldest_at"])] for one in found],
    )


@app.command()
def shadow(
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What was compared since then; else in 30 days."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=100, help="How many that differ to show.")] = 10,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Compare what the old system carried out with what Perdure would have done of it."""
    asked = {"since": read_moment("since", since).isoformat()} if since is not None else {}
    found = open_api().get("/v1/legacy/shadow", limit=limit, **asked)
    if output == OutputFormat.JSON:
        print_json(found)
        return
    out.print(f"{found['compared']:,} compared, {found['equal']:,} equal.")
    if found["differences"]:
        print_table(
            ("KIND", "DIFFERENCE", "FOR GOOD", "#COUNT", "WHAT IT IS"),
            [
                (
                    one["kind"],
                    one["difference"],
                    "yes" if one["is_for_good"] else "no",
                    one["count"],
                    one["meaning"],
                )
                for one in found["differences"]
            ],
        )
    for one in found["newest"]:
        out.print(f"\n{one['operation_id']}: {one['difference']}")
        for what, both in one["parts"].items():
            out.print(f"  {what}: {both}")


@app.command()
def move(
    which: Annotated[
        str, typer.Argument(metavar="PART", help="As `legacy status` shows it: registry-info.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on the trail.")],
) -> None:
    """Move what the old system holds to Perdure, one of its parts.

    What one of its workers has at the moment is left to it, and so is a renewal that it has begun.
    """
    api, moved, path = open_api(), 0, f"/v1/legacy/{part(which)}/move"
    while True:
        done = api.post(path, {"reason": reason})
        moved += done["moved"]
        if not done["has_more"]:
            break
    out.print(f"{moved:,} moved.")


@app.command()
def worker(kind: Kind) -> None:
    """Run the old system's worker for a kind, until it is told to stop."""
    attribute(_way(kind).worker)()


@app.command()
def beat(kind: Kind) -> None:
    """Run what has the old system's workers look for what is due, until it is told to stop."""
    place = _way(kind).beat
    if place is None:
        raise InvalidInput(f"The old system's worker for {kind} looks by itself.", param="kind")
    attribute(place)()


def _way(plural: str) -> LegacyWay:
    found = ways_by_plural()
    if plural not in found:
        raise InvalidInput(
            f"The old system has no {plural}; it has {', '.join(found)}.", param="kind"
        )
    return found[plural]
