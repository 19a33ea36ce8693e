"""`perdure operations`: operations of any kind, with their trail and their steps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from perdure.cli import operation_actions
from perdure.cli.api_client import open_api, part
from perdure.cli.chain import chain_fields, chain_of_entry
from perdure.cli.filters import KindFilter
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_fields,
    print_json,
    print_table,
    read_time,
)
from perdure.cli.pages import (
    CustomerFilter,
    Limit,
    ReferenceFilter,
    StartingAfter,
    StatusFilter,
    print_page,
)

app = typer.Typer(no_args_is_help=True)
operation_actions.add_to(app)


@app.command("list")
def list_operations(
    *,
    kind: KindFilter = None,
    status: StatusFilter = None,
    customer: CustomerFilter = None,
    reference: ReferenceFilter = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List operations, newest first."""
    page = open_api().list(
        "/v1/operations",
        limit=limit,
        kind=kind,
        status=status,
        customer_id=customer,
        reference=reference,
        starting_after=starting_after,
    )
    columns = ("ID", "KIND", "STATUS", "CUSTOMER", "REFERENCE", "FAILURE", "UPDATED")
    print_page(page, output, columns, _row, chains=True)


def _row(view: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        view["id"],
        view["kind"],
        view["status"],
        view["customer_id"],
        view["reference"],
        view["failure"] and view["failure"]["code"],
        read_time(view["updated_at"]),
    )


@app.command()
def show(
    operation_id: Annotated[str, typer.Argument(help="The operation's id.", metavar="ID")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show an operation: its row, who did what to it, and each attempt at each step."""
    report = open_api().get(f"/v1/operations/{part(operation_id)}/report")
    operation, trail, calls = (report[name] for name in ("operation", "trail", "calls"))
    steps = [step | {"started_at": step["at"]} for step in report["steps"]]
    if output == OutputFormat.JSON:
        print_json(operation | {"trail": trail, "steps": steps, "calls": calls})
        return
    _print_fields(operation)
    out.print()
    print_table(
        ("AT", "STATUS", "ACTION", "ACTOR", "REASON", "SEE"),
        [
            (
                read_time(entry["at"]),
                *(entry[name] for name in ("status", "action", "actor", "reason")),
                chain_of_entry(entry) or None,
            )
            for entry in trail
        ],
    )
    out.print()
    print_table(
        ("STEP", "#ATTEMPT", "OUTCOME", "#MS", "PROVIDER REFERENCE", "ERROR"),
        [_step_row(step) for step in steps],
    )
    if calls:
        out.print()
        shown = ("step", "provider", "reference", "state", "calls")
        print_table(
            ("CALL", "PROVIDER", "REFERENCE", "STATE", "#BEGUN"),
            [[call[name] for name in shown] for call in calls],
        )


def _print_fields(view: Mapping[str, Any]) -> None:
    failure = view["failure"]
    print_fields(
        {
            "id": view["id"],
            "kind": view["kind"],
            "status": view["status"],
            "customer": view["customer_id"],
            "reference": view["reference"],
            "request": view["request"],
            "result": view["result"],
            "failure": f"{failure['code']}: {failure['message']}" if failure else None,
            **chain_fields(view),
            "deadline": read_time(view["deadline"]),
            "gear": view["gear"],
            "created": read_time(view["created_at"]),
            "finished": read_time(view["finished_at"]),
            "can be done": ", ".join(view["next_actions"]) or None,
        }
    )


def _step_row(step: Mapping[str, Any]) -> tuple[object, ...]:
    lasted_ms = None
    if step["finished_at"] is not None:
        began, ended = (
            datetime.fromisoformat(step[name]) for name in ("started_at", "finished_at")
        )
        lasted_ms = round((ended - began).total_seconds() * 1000)
    error = step["error"]
    return (
        step["step"],
        step["attempt"],
        step["outcome"],
        lasted_ms,
        step["provider_reference"],
        f"{error['code']}: {error['message']}" if error else None,
    )
