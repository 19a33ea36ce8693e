"""`perdure deployments`: the builds of the workers, and which of them is given work."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Final, TypeVar

import typer

from perdure.cli.output import Output, OutputFormat, out, print_json, print_json_list, print_table
from perdure.cli.session import actor, run
from perdure.config import Settings
from perdure.durable.builds import Build, Deployment
from perdure.durable.client import connect

app = typer.Typer(no_args_is_help=True)

Result = TypeVar("Result")

_SHOWN: Final = 20
_BuildId = Annotated[str, typer.Argument(help="As `list` shows it.", metavar="BUILD_ID")]


@app.command("list")
def list_builds(output: Output = OutputFormat.TEXT) -> None:
    """List the builds, newest first: which is given work, and what still runs on the others."""
    found = _ask(lambda deployment: deployment.builds())
    if output == OutputFormat.JSON:
        print_json_list([asdict(build) for build in found])
        return
    print_table(
        ("BUILD", "STATUS", "#RAMP %", "#PINNED", "SINCE"),
        [
            (build.build_id, build.status, build.ramp_percent, build.pinned, build.created_at)
            for build in found
        ],
    )


@app.command("set-current")
def set_current(
    build_id: Annotated[
        str, typer.Argument(help="As `list` shows it; '' for workers without one.")
    ],
    *,
    ignore_missing_queues: Annotated[
        bool,
        typer.Option(
            "--ignore-missing-queues", help="Also where it does not poll a queue that is in use."
        ),
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have all that is new go to a build, and the lanes; what began elsewhere ends there."""
    _ask(
        lambda deployment: deployment.set_current(
            build_id, ignore_missing_queues=ignore_missing_queues
        )
    )
    _tell({"current": build_id}, f"{build_id or 'No build'} is the current one.", output)


@app.command("ramp")
def ramp(
    build_id: _BuildId,
    *,
    percent: Annotated[
        float, typer.Option(min=0, max=100, help="How much of what is new; 0 takes it back.")
    ],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have a part of what is new go to a build, the rest to the current one."""
    _ask(lambda deployment: deployment.ramp(build_id, percent))
    _tell(
        {"ramping": build_id if percent else None, "percent": percent},
        f"{percent:g} % of what is new goes to {build_id}.",
        output,
    )


@app.command("drain-status")
def drain_status(build_id: _BuildId, output: Output = OutputFormat.TEXT) -> None:
    """Tell what still runs on a build; ends with 1 if its workers cannot be taken away yet."""
    build, running = _ask(lambda deployment: _drain_status(deployment, build_id))
    is_drained = build.pinned == 0 and build.status not in {"current", "ramping"}
    if output == OutputFormat.JSON:
        print_json(asdict(build) | {"is_drained": is_drained, "running": running})
    elif is_drained:
        out.print(f"Nothing runs on {build_id}: its workers can be taken away.")
    else:
        out.print(f"{build_id} is {build.status}; {build.pinned} workflows that run end on it.")
        print_table(("WORKFLOW", "TYPE", "SINCE"), [tuple(one.values()) for one in running])
    if not is_drained:
        raise typer.Exit(1)


@app.command("move")
def move(
    build_id: _BuildId,
    *,
    to: Annotated[str, typer.Option(help="The build on which they are to end.")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have what runs on a build end on another one; `perdure replay` there says if it can."""
    moved = _ask(lambda deployment: deployment.move(build_id, to))
    _tell({"moved": moved, "to": to}, f"{moved} workflows go on on {to}.", output)


def _tell(value: dict[str, Any], sentence: str, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(value)
    else:
        out.print(sentence)


def _ask(question: Callable[[Deployment], Awaitable[Result]]) -> Result:
    async def asked() -> Result:
        deployment = Settings.load().deployment_name
        return await question(Deployment(await connect(), deployment, identity=actor()))

    return run(asked())


async def _drain_status(
    deployment: Deployment, build_id: str
) -> tuple[Build, list[dict[str, Any]]]:
    return await deployment.build(build_id), [
        {"workflow_id": one.id, "type": one.workflow_type, "started_at": one.start_time}
        async for one in deployment.running(build_id, limit=_SHOWN)
    ]
