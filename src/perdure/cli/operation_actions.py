"""`perdure operations cancel|refund|relaunch|…`: what is done to one operation."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from perdure.api.operation_schemas import OperationView
from perdure.cli.output import Output, OutputFormat, out, print_json
from perdure.cli.session import actor, open_session, run
from perdure.core.errors import InvalidInput
from perdure.operations.actions import OperatorActions
from perdure.operations.model import By, Operation, Side

OperationId = Annotated[str, typer.Argument(help="The operation's id.", metavar="ID")]
Reason = Annotated[str, typer.Option(help="Why; it stays on the trail.")]

_Act = Callable[[OperatorActions, By], Awaitable[Operation]]


def add_to(app: typer.Typer) -> None:
    """Give the commands to an application."""
    for command in (cancel, refund, relaunch, park, release, correct):
        app.command()(command)


def cancel(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Ask an operation to stop; what it did so far is undone."""
    run(_cancel(operation_id, reason, output))


async def _cancel(operation_id: str, reason: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        operations = platform.operations
        answer = await operations.actions.cancel(operation_id, By(actor(), reason))
        _show(await operations.get(operation_id), answer.reason, output)


def refund(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have what an operation took given back, once it has succeeded; shows the refund."""
    told = f"It is the refund of {operation_id}."
    run(_act(lambda actions, by: actions.refund(operation_id, by), reason, told, output))


def relaunch(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have one that got stuck go on; do one that failed again, as a new operation, once."""
    run(_relaunch(operation_id, reason, output))


async def _relaunch(operation_id: str, reason: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        actions = platform.operations.actions
        done = await actions.relaunch(operation_id, By(actor(), reason))
    told = f"It is the relaunch of {operation_id}." if done.is_new else "It goes on."
    _show(done.operation, told, output)


def park(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Hold an operation before its next step, until it is released."""
    run(_act(lambda actions, by: actions.park(operation_id, by), reason, "It is held.", output))


def release(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have an operation go on that somebody parked."""
    run(_act(lambda actions, by: actions.release(operation_id, by), reason, "It goes on.", output))


def correct(
    operation_id: OperationId,
    reason: Reason,
    *,
    patch: Annotated[
        str, typer.Option(help='What changes, as JSON: {"payee": {"email": "ada@example.com"}}.')
    ] = "{}",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="One text that changes: payee.email=ada@example.com."),
    ] = None,
    go_on: Annotated[bool, typer.Option(help="Have it go on, with what was corrected.")] = True,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Change what was asked for, of an operation that is parked; finished steps stay done."""
    changes = read_patch(patch, set_ or [])
    told = "It goes on with what was corrected." if go_on else "It is corrected, and stays parked."
    run(
        _act(
            lambda actions, by: actions.correct(operation_id, by, changes, go_on=go_on),
            reason,
            told,
            output,
        )
    )


async def _act(act: _Act, reason: str, told: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        operation = await act(platform.operations.actions, By(actor(), reason))
    _show(operation, told, output)


def _show(operation: Operation, told: str, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(OperationView.of(operation, Side.HOUSE).model_dump(mode="json"))
    else:
        out.print(f"{operation.id} ({operation.status}): {told}")


def read_patch(patch: str, settings: list[str]) -> dict[str, Any]:
    """Return a patch from its JSON, and from texts by their dotted names.

    Raises:
        InvalidInput: One of them cannot be read.
    """
    try:
        changes = json.loads(patch)
    except ValueError as error:
        raise InvalidInput(f"The patch is not JSON: {error}.", param="patch") from None
    if not isinstance(changes, dict):
        raise InvalidInput("Give the patch as a JSON object.", param="patch")
    for setting in settings:
        name, equals, value = setting.partition("=")
        *objects, last = name.split(".")
        if not equals or not last:
            raise InvalidInput(f"{setting!r} is not of the form name=value.", param="set")
        place = changes
        for part in objects:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InvalidInput(f"{part} is no object, so {name} cannot be set.", param="set")
        place[last] = value
    return changes
