"""`perdure legacy`: the system that Perdure replaces, what it still holds, and moving it here."""

from typing import Annotated

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, out, print_json_list, print_table, read_time

app = typer.Typer(
    help="The system that Perdure replaces: what it still holds, and moving it here.",
    no_args_is_help=True,
)


@app.command()
def status(output: Output = OutputFormat.TEXT) -> None:
    """Show the renewals that the old system still holds, by registry."""
    found = open_api().get("/v1/legacy")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    if not found:
        out.print("The old system holds no renewals: it is drained.")
        return
    fields = ("registry", "queued", "running", "failing")
    print_table(
        ("REGISTRY", "#QUEUED", "#RUNNING", "#FAILING", "OLDEST"),
        [[*(one[name] for name in fields), read_time(one["oldest_at"])] for one in found],
    )


@app.command()
def move(
    registry: Annotated[str, typer.Argument(help="As `legacy status` shows it: registry-info.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on the trail.")],
) -> None:
    """Move what waits in the old system's queue to Perdure.

    What one of its workers has begun is left to it.
    """
    api, moved, path = open_api(), 0, f"/v1/legacy/{part(registry)}/move"
    while True:
        done = api.post(path, {"reason": reason})
        moved += done["moved"]
        if not done["has_more"]:
            break
    out.print(f"{moved:,} moved.")


@app.command()
def worker() -> None:
    """Run the old system's worker, until it is told to stop."""
    # It needs the machine, and takes longer to import than the others take in all.
    from perdure.renewals.legacy.on_machine import run_worker  # noqa: PLC0415

    run_worker()
