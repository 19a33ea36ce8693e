"""`perdure demo`: the whole platform, something that goes wrong in it, and the proof."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.demo_payments import PaymentsStory
from perdure.cli.demo_renewals import RenewalsStory
from perdure.cli.demo_stage import DEMO_DIR, run_story
from perdure.cli.output import Output, OutputFormat
from perdure.cli.ports import PortBase

app = typer.Typer(invoke_without_command=True)

DataDir = Annotated[Path, typer.Option(help="Keeps everything; emptied first.")]


@app.callback()
def payments(
    context: typer.Context,
    payments: Annotated[int, typer.Option(min=30, help="How many the file has.")] = 500,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Run everything, import a file of every kind of payment, kill a worker, and check the end."""
    if context.invoked_subcommand is None:
        run_story(PaymentsStory(payments), data_dir, output, port_base)


@app.command()
def renewals(
    domains: Annotated[
        int, typer.Option(min=10, max=5000, help="How many each of two registries has.")
    ] = 100,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Overrun a registry, set its limit while all runs, and relaunch what stopped, in bulk."""
    run_story(RenewalsStory(domains), data_dir, output, port_base)
