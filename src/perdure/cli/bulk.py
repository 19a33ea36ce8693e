"""`perdure bulk`: one action on many operations."""

from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from perdure.cli.api_client import ApiClient, open_api, part
from perdure.cli.bulk_options import (
    BulkId,
    Confirmed,
    PerSecond,
    Why,
    name_listed,
    read_arguments,
    read_criteria,
)
from perdure.cli.bulk_progress import describe, follow, selected_by
from perdure.cli.filters import KindFilter
from perdure.cli.output import (
    Output,
    OutputFormat,
    err,
    out,
    print_error,
    print_fields,
    print_json,
    print_table,
    read_time,
)
from perdure.cli.pages import Limit, StartingAfter, StatusFilter, print_page
from perdure.core.numbers import INTEGER_MAX
from perdure.operations.bulk.model import RATE_PER_S_DEFAULT, ItemState
from perdure.operations.model import Status

app = typer.Typer(no_args_is_help=True)

_PATH: Final = "/v1/bulks"

Watch = Annotated[
    bool,
    typer.Option(
        "--watch", help="Show its progress until it ends; ends with 1 if not all of it was done."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, these are only shown.")]


@app.command()
def create(
    action: Annotated[
        str, typer.Argument(help="cancel, relaunch, park, release, correct or refund.")
    ],
    *,
    reason: Why,
    kind: KindFilter = None,
    status: Annotated[Status | None, typer.Option(help="In this status.")] = None,
    failure_step: Annotated[str | None, typer.Option(help="That stopped at this step.")] = None,
    failure_code: Annotated[str | None, typer.Option(help="That stopped for this reason.")] = None,
    provider: Annotated[str | None, typer.Option(help="For which this one was called.")] = None,
    customer: Annotated[str | None, typer.Option(help="Of this customer.")] = None,
    created_after: Annotated[str | None, typer.Option(help="2030-01-31T12:00:00Z, say.")] = None,
    created_before: Annotated[str | None, typer.Option()] = None,
    updated_after: Annotated[str | None, typer.Option()] = None,
    updated_before: Annotated[str | None, typer.Option()] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="With this text: name=value; repeatable.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Those whose ids are in this file, one a line.")
    ] = None,
    patch: Annotated[str | None, typer.Option(help="Of correct: what changes, as JSON.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Of correct: one text, as name=value.")
    ] = None,
    go_on: Annotated[bool, typer.Option(help="Of correct: have them go on.")] = True,
    per_second: PerSecond = RATE_PER_S_DEFAULT,
    confirm_count: Confirmed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which these are.")] = False,
    yes: Yes = False,
    watch: Watch = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Act on all operations that the options name: show them first, then do it with --yes."""
    query = read_criteria(
        {
            "kind": kind,
            "status": status,
            "failure_step": failure_step,
            "failure_code": failure_code,
            "provider": provider,
            "customer_id": customer,
            "created_after": created_after,
            "created_before": created_before,
            "updated_after": updated_after,
            "updated_before": updated_before,
        },
        metadata or [],
        file=file,
    )
    api = open_api()
    body = {
        "action": action,
        "reason": reason,
        "rate_per_s": per_second,
        "confirm_count": confirm_count,
        **(name_listed(api, _PATH, file) if file is not None else {"query": query}),
        **read_arguments(patch, set_ or [], go_on=go_on),
    }
    if yes and not dry_run:
        _tell(api, api.post(_PATH, body), watched=watch, output=output)
        return
    preview = api.post(_PATH, body | {"dry_run": True})
    _print_preview(preview, output)
    if not dry_run:
        _ask_for_yes(action, preview)


def _ask_for_yes(action: str, preview: dict[str, Any]) -> NoReturn:
    """Say how what was shown is done, and that it was not."""
    if count := preview["count"]:
        confirm = f" --confirm-count {count}" if preview["confirmation_needed"] else ""
        print_error(f"Nothing is done. To {action} these, add --yes{confirm}.")
    raise typer.Exit(1)


@app.command()
def undo(
    bulk_id: BulkId,
    *,
    reason: Why,
    per_second: Annotated[
        float | None, typer.Option("--per-second", help="As the bulk's, if left out.")
    ] = None,
    confirm_count: Confirmed = None,
    watch: Watch = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Do the inverse to what a bulk acted on, as a new bulk: release what it parked, say."""
    body = {"reason": reason, "rate_per_s": per_second, "confirm_count": confirm_count}
    api = open_api()
    undone = api.post(f"{_path(bulk_id)}/undo", body)
    _tell(api, undone, watched=watch, output=output)


@app.command()
def show(bulk_id: BulkId, *, watch: Watch = False, output: Output = OutputFormat.TEXT) -> None:
    """Show a bulk, and how far it is."""
    api = open_api()
    _tell(api, api.get(_path(bulk_id)), watched=watch, output=output)


def _tell(api: ApiClient, bulk: dict[str, Any], *, watched: bool, output: OutputFormat) -> None:
    if watched:
        if output == OutputFormat.TEXT:
            out.print(f"{bulk['id']}: {bulk['action']}, {bulk['counted']:,} operations")
        console = out if output == OutputFormat.TEXT else err
        bulk = follow(api, _path(bulk["id"]), console)
    _print(bulk, output)
    if watched and bulk["progress"]["done"] < selected_by(bulk):
        raise typer.Exit(1)


@app.command("list")
def list_bulks(
    status: StatusFilter = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List bulks, newest first."""
    page = open_api().list(_PATH, limit=limit, status=status, starting_after=starting_after)
    columns = ("ID", "ACTION", "STATUS", "PROGRESS", "WHO", "WHY", "CREATED")
    print_page(page, output, columns, _row)


def _row(bulk: dict[str, Any]) -> tuple[object, ...]:
    return (
        bulk["id"],
        bulk["action"],
        bulk["status"],
        f"{bulk['progress']['done']} of {bulk['counted']} done",
        bulk["actor"],
        bulk["reason"],
        read_time(bulk["created_at"]),
    )


@app.command()
def items(
    bulk_id: BulkId,
    *,
    state: Annotated[ItemState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    starting_after: Annotated[
        int, typer.Option(min=0, max=INTEGER_MAX, help="The last number of the page before.")
    ] = 0,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List what became of each operation, in the order in which they are acted on."""
    page = open_api().list(
        f"{_path(bulk_id)}/items",
        limit=limit,
        cursor="number",
        state=state,
        starting_after=starting_after,
    )
    fields = ("number", "operation_id", "state", "code", "message", "new_operation_id")
    print_page(
        page,
        output,
        ("#NUMBER", "OPERATION", "STATE", "CODE", "WHY", "NEW OPERATION", "AT"),
        lambda item: [*(item[name] for name in fields), read_time(item["at"])],
        cursor="number",
    )


@app.command()
def pause(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Hold a bulk: nothing further is acted on until it is resumed."""
    _act("pause", bulk_id, output, reason=reason)


@app.command()
def resume(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a bulk go on that was paused."""
    _act("resume", bulk_id, output, reason=reason)


@app.command()
def stop(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """End a bulk where it is: what it did stays done, and the rest is skipped."""
    _act("stop", bulk_id, output, reason=reason)


@app.command()
def rate(
    bulk_id: BulkId, *, per_second: PerSecond, reason: Why, output: Output = OutputFormat.TEXT
) -> None:
    """Change how many operations a bulk acts on a second, while it runs."""
    _act("rate", bulk_id, output, reason=reason, rate_per_s=per_second)


def _act(name: str, bulk_id: str, output: OutputFormat, **body: object) -> None:
    _print(open_api().post(f"{_path(bulk_id)}/{name}", body), output)


def _path(bulk_id: str) -> str:
    return f"{_PATH}/{part(bulk_id)}"


def _print(bulk: dict[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(bulk)
        return
    print_fields(
        {
            "id": bulk["id"],
            "action": bulk["action"],
            "status": bulk["status"],
            "progress": describe(bulk, 0),
            "who": bulk["actor"],
            "why": bulk["reason"],
            "query": bulk["query"],
            "arguments": bulk["arguments"] or None,
            "per second": f"{bulk['rate_per_s']:g}",
            "undoes": bulk["undo_of"],
            "reasons": bulk["progress"]["codes"] or None,
            "created": read_time(bulk["created_at"]),
            "finished": read_time(bulk["finished_at"]),
        }
    )


def _print_preview(preview: dict[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(preview)
        return
    print_fields(
        {
            "operations": f"{preview['count']:,}",
            "by status": preview["by_status"],
            "by kind": preview["by_kind"],
            "unknown ids": preview["unknown"] or None,
        }
    )
    if preview["sample"]:
        out.print()
        print_table(
            ("ID", "KIND", "STATUS", "CUSTOMER", "FAILURE", "UPDATED"),
            [
                (
                    *(one[name] for name in ("id", "kind", "status", "customer_id")),
                    one["failure"] and one["failure"]["code"],
                    read_time(one["updated_at"]),
                )
                for one in preview["sample"]
            ],
        )
