"""`perdure operations cancel|refund|relaunch|…`: what is done to one operation."""

import json
from typing import Annotated, Any

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, out, print_json
from perdure.core.errors import InvalidInput

OperationId = Annotated[str, typer.Argument(help="The operation's id.", metavar="ID")]
Reason = Annotated[str, typer.Option(help="Why; it stays on the trail.")]


def add_to(app: typer.Typer) -> None:
    """Give the commands to an application."""
    for command in (cancel, refund, relaunch, park, release, correct):
        app.command()(command)


def cancel(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Ask an operation to stop; what it did so far is undone."""
    answer = _act("cancel", operation_id, reason)
    _show(answer["operation"], answer["reason"], output)


def refund(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have what an operation took given back, once it has succeeded; shows the refund."""
    refunded = _act("refund", operation_id, reason)
    _show(refunded, f"It is the refund of {operation_id}.", output)


def relaunch(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have one that got stuck go on; do one that failed again, as a new operation, once."""
    done = _act("relaunch", operation_id, reason)
    is_new = done["id"] != operation_id
    told = f"It is the relaunch of {operation_id}." if is_new else "It goes on."
    _show(done, told, output)


def park(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Hold an operation before its next step, until it is released."""
    _show(_act("park", operation_id, reason), "It is held.", output)


def release(operation_id: OperationId, reason: Reason, output: Output = OutputFormat.TEXT) -> None:
    """Have an operation go on that somebody parked."""
    _show(_act("release", operation_id, reason), "It goes on.", output)


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
    _show(_act("correct", operation_id, reason, patch=changes, go_on=go_on), told, output)


def _act(action: str, operation_id: str, reason: str, **more: object) -> Any:
    return open_api().post(
        f"/v1/operations/{part(operation_id)}/{action}", {"reason": reason, **more}
    )


def _show(operation: dict[str, Any], told: str, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(operation)
    else:
        out.print(f"{operation['id']} ({operation['status']}): {told}")


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
        for field in objects:
            place = place.setdefault(field, {})
            if not isinstance(place, dict):
                raise InvalidInput(f"{field} is no object, so {name} cannot be set.", param="set")
        place[last] = value
    return changes
