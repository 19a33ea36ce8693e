"""`perdure operations`: operations of any kind, with their trail and their steps."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from perdure.api.operation_schemas import OperationView
from perdure.capability.assembly import refundable_kinds
from perdure.cli import operation_actions
from perdure.cli.chain import chain_fields, chain_of_entry, with_chains
from perdure.cli.filters import KindFilter
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    page_of,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    tell_of_more,
)
from perdure.cli.session import open_session, run
from perdure.core.text import check_identifier
from perdure.operations.allowed import next_actions
from perdure.operations.model import Operation, Side, Status, StepAttempt
from perdure.operations.reporting import OperationReport

app = typer.Typer(help="Operations of any kind.", no_args_is_help=True)
operation_actions.add_to(app)


@app.command("list")
def list_operations(
    *,
    kind: KindFilter = None,
    status: Annotated[Status | None, typer.Option(help="Only those in this status.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only with this reference.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    starting_after: Annotated[
        str | None, typer.Option(help="The last id of the page before.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List operations, newest first."""
    found = run(
        _list(
            kind=kind,
            status=status,
            customer_id=customer and check_identifier("customer", customer),
            reference=reference and check_identifier("reference", reference),
            limit=limit + 1,
            starting_after=starting_after,
        )
    )
    found, has_more = page_of(found, limit)
    if output == OutputFormat.JSON:
        print_json_list([_as_json(operation) for operation in found], has_more=has_more)
        return
    columns, rows = with_chains(
        ("ID", "KIND", "STATUS", "CUSTOMER", "REFERENCE", "FAILURE", "UPDATED"),
        [
            (
                operation.id,
                operation.kind,
                operation.status,
                operation.customer_id,
                operation.reference,
                operation.failure and operation.failure.code,
                operation.updated_at,
            )
            for operation in found
        ],
        found,
    )
    print_table(columns, rows)
    if has_more:
        tell_of_more(found[-1].id)


async def _list(**filters: Any) -> list[Operation]:
    async with open_session() as platform:
        return await platform.operations.find(**filters)


@app.command()
def show(
    operation_id: Annotated[str, typer.Argument(help="The operation's id.", metavar="ID")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show an operation: its row, who did what to it, and each attempt at each step."""
    report = run(_show(operation_id))
    if output == OutputFormat.JSON:
        print_json(
            _as_json(report.operation)
            | {
                "trail": [asdict(entry) for entry in report.trail],
                "steps": [asdict(step) for step in report.attempts],
                "calls": [asdict(call) for call in report.calls],
            }
        )
        return
    _print_fields(report.operation)
    out.print()
    print_table(
        ("AT", "STATUS", "ACTION", "ACTOR", "REASON", "SEE"),
        [
            (
                entry.at,
                entry.status,
                entry.action,
                entry.actor,
                entry.reason,
                chain_of_entry(entry) or None,
            )
            for entry in report.trail
        ],
    )
    out.print()
    print_table(
        ("STEP", "#ATTEMPT", "OUTCOME", "#MS", "PROVIDER REFERENCE", "ERROR"),
        [_step_row(step) for step in report.attempts],
    )
    if report.calls:
        out.print()
        print_table(
            ("CALL", "PROVIDER", "REFERENCE", "STATE", "#BEGUN"),
            [
                (call.step, call.provider, call.reference, call.state, call.calls)
                for call in report.calls
            ],
        )


def _print_fields(operation: Operation) -> None:
    failure = operation.failure
    print_fields(
        {
            "id": operation.id,
            "kind": operation.kind,
            "status": operation.status,
            "customer": operation.customer_id,
            "reference": operation.reference,
            "request": operation.input["request"],
            "result": operation.result,
            "failure": f"{failure.code}: {failure.message}" if failure else None,
            **chain_fields(operation),
            "deadline": operation.deadline_at,
            "created": operation.created_at,
            "finished": operation.finished_at,
            "can be done": ", ".join(next_actions(operation, refundable_kinds())) or None,
        }
    )


async def _show(operation_id: str) -> OperationReport:
    async with open_session() as platform:
        return await platform.operations.report(operation_id)


def _step_row(step: StepAttempt) -> tuple[object, ...]:
    lasted = step.finished_at - step.started_at if step.finished_at else None
    return (
        step.step,
        step.attempt,
        step.outcome,
        round(lasted.total_seconds() * 1000) if lasted is not None else None,
        step.provider_reference,
        f"{step.error['code']}: {step.error['message']}" if step.error else None,
    )


def _as_json(operation: Operation) -> dict[str, Any]:
    # As the API shows it.
    return OperationView.of(operation, Side.HOUSE).model_dump(mode="json")
