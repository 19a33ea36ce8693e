"""`perdure replay`: whether this code can carry on what is at Temporal."""

import os
from dataclasses import asdict
from typing import Annotated

import typer
from temporalio.worker import Replayer

from perdure.bootstrap import interceptors, open_registrations
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json, print_table
from perdure.cli.session import open_session, run
from perdure.durable.replay import ReplayGate, Report
from perdure.worker.main import workflow_runner


def replay(
    *,
    namespace: Annotated[
        str | None, typer.Option(help="Whose histories; TEMPORAL_NAMESPACE's by default.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="How many: as many of each type, running and ended.")
    ] = 200,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Replay a sample of what is at Temporal with this code; ends with 1 if it cannot go on."""
    if namespace:
        os.environ["TEMPORAL_NAMESPACE"] = namespace
    where, report = run(_replay(sample))
    if output == OutputFormat.JSON:
        print_json({"ok": not report.failures, "namespace": where} | asdict(report))
    else:
        _print(where, report)
    if report.failures:
        raise typer.Exit(1)


def _print(where: str, report: Report) -> None:
    count = sum(report.replayed.values())
    out.print(f"Replayed {count} workflows of {where}, none of which was changed by it.")
    for name, number in sorted(report.replayed.items()):
        out.print(f"  {number:>5}  {name}")
    if report.erased:
        out.print(f"{report.erased} are of customers who were erased, and cannot be read.")
    if report.failures:
        print_table(
            ("WORKFLOW", "RUN", "TYPE", "RUNNING", "REASON", "DETAIL"),
            [
                (one.workflow_id, one.run_id, one.type, one.is_running, one.reason, one.detail)
                for one in report.failures
            ],
        )
        print_error(f"{len(report.failures)} workflows cannot go on with this code.")


async def _replay(sample: int) -> tuple[str, Report]:
    async with (
        open_session(lazy=False) as platform,
        open_registrations(platform) as registrations,
    ):
        client = platform.client
        workflows = [one for part in registrations for one in part.workflows]
        replayer = Replayer(
            workflows=workflows,
            namespace=client.namespace,
            data_converter=client.data_converter,
            interceptors=interceptors(platform),
            workflow_runner=workflow_runner(platform.settings),
        )
        queues = {platform.queues[part.queue] for part in registrations if part.workflows}
        gate = ReplayGate(client, replayer, workflows, sorted(queues))
        return client.namespace, await gate.replay(sample)
