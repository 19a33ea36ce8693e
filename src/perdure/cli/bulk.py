"""`perdure bulk`: one action on many operations."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.api.bulk_schemas import BulkItemView, BulkPreviewView, BulkView
from perdure.bootstrap import Platform
from perdure.cli.bulk_options import (
    BulkId,
    Confirmed,
    PerSecond,
    Times,
    Why,
    read_arguments,
    read_selection,
)
from perdure.cli.bulk_progress import describe, watch
from perdure.cli.filters import KindFilter
from perdure.cli.output import (
    Output,
    OutputFormat,
    err,
    out,
    page_of,
    print_error,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    tell_of_more,
)
from perdure.cli.session import actor, open_session, run
from perdure.core.numbers import INTEGER_MAX
from perdure.operations.bulk.actions import bulk_action
from perdure.operations.bulk.model import (
    RATE_PER_S_DEFAULT,
    Bulk,
    BulkPreview,
    BulkProgress,
    ItemState,
    NewBulk,
)
from perdure.operations.model import By, Status

app = typer.Typer(
    help="One action on many operations: paced, paused, stopped and undone as one.",
    no_args_is_help=True,
)

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
    selection = read_selection(
        texts={
            "kind": kind,
            "failure_step": failure_step,
            "failure_code": failure_code,
            "provider": provider,
            "customer_id": customer,
        },
        status=status,
        times=Times(created_after, created_before, updated_after, updated_before),
        metadata=metadata or [],
        file=file,
    )
    arguments = read_arguments(patch, set_ or [], go_on=go_on)
    new = NewBulk(action, reason, selection, arguments, per_second, confirm_count)
    bulk_action(action).check(arguments)
    run(_create(new, dry_run=dry_run, yes=yes, watched=watch, output=output))


async def _create(
    new: NewBulk, *, dry_run: bool, yes: bool, watched: bool, output: OutputFormat
) -> None:
    async with open_session() as platform:
        if dry_run or not yes:
            preview = await platform.bulks.preview(new.selection)
            _print_preview(preview, output)
            if not dry_run and preview.count:
                confirm = f" --confirm-count {preview.count}" if preview.confirmation_needed else ""
                print_error(f"Nothing is done. To {new.action} these, add --yes{confirm}.")
            if not dry_run:
                raise typer.Exit(1)
            return
        bulk = await platform.bulks.create(new, actor=actor())
        await _tell(platform, bulk, watched=watched, output=output)


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
    run(_undo(bulk_id, reason, per_second, confirm_count, watched=watch, output=output))


async def _undo(
    bulk_id: str,
    reason: str,
    per_second: float | None,
    confirm_count: int | None,
    *,
    watched: bool,
    output: OutputFormat,
) -> None:
    async with open_session() as platform:
        async with platform.operations.transaction() as connection:
            bulk = await platform.bulks.undo(
                connection,
                bulk_id,
                By(actor(), reason),
                rate_per_s=per_second,
                confirm_count=confirm_count,
            )
        await platform.bulks.begin(bulk)
        await _tell(platform, bulk, watched=watched, output=output)


@app.command()
def show(bulk_id: BulkId, *, watch: Watch = False, output: Output = OutputFormat.TEXT) -> None:
    """Show a bulk, and how far it is."""
    run(_show(bulk_id, watched=watch, output=output))


async def _show(bulk_id: str, *, watched: bool, output: OutputFormat) -> None:
    async with open_session() as platform:
        await _tell(platform, await platform.bulks.get(bulk_id), watched=watched, output=output)


async def _tell(platform: Platform, bulk: Bulk, *, watched: bool, output: OutputFormat) -> None:
    if watched:
        if output == OutputFormat.TEXT:
            out.print(f"{bulk.id}: {bulk.request.action}, {bulk.counted:,} operations")
        console = out if output == OutputFormat.TEXT else err
        bulk, progress = await watch(platform.bulks, bulk.id, console)
    else:
        progress = await platform.bulks.progress_of(bulk.id)
    _print(bulk, progress, output)
    if watched and progress.done < bulk.selected:
        raise typer.Exit(1)


@app.command("list")
def list_bulks(
    status: Annotated[Status | None, typer.Option(help="Only those in this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    starting_after: Annotated[
        str | None, typer.Option(help="The last id of the page before.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List bulks, newest first."""
    found, has_more = page_of(run(_list(status, limit + 1, starting_after)), limit)
    if output == OutputFormat.JSON:
        print_json_list([_as_json(*one) for one in found], has_more=has_more)
        return
    print_table(
        ("ID", "ACTION", "STATUS", "PROGRESS", "WHO", "WHY", "CREATED"),
        [
            (
                bulk.id,
                bulk.request.action,
                bulk.operation.status,
                f"{progress.done} of {bulk.counted} done",
                bulk.request.actor,
                bulk.request.reason,
                bulk.operation.created_at,
            )
            for bulk, progress in found
        ],
    )
    if has_more:
        tell_of_more(found[-1][0].id)


async def _list(
    status: Status | None, limit: int, starting_after: str | None
) -> list[tuple[Bulk, BulkProgress]]:
    async with open_session() as platform:
        found = await platform.bulks.find(status=status, starting_after=starting_after, limit=limit)
        progress = await platform.bulks.progress([bulk.id for bulk in found])
    return [(bulk, progress[bulk.id]) for bulk in found]


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

    async def find() -> list[BulkItemView]:
        async with open_session() as platform:
            found = await platform.bulks.items(
                bulk_id, state=state, after_number=starting_after, limit=limit + 1
            )
        return [BulkItemView.of(item) for item in found]

    found, has_more = page_of(run(find()), limit)
    if output == OutputFormat.JSON:
        print_json_list([item.model_dump(mode="json") for item in found], has_more=has_more)
        return
    print_table(
        ("#NUMBER", "OPERATION", "STATE", "CODE", "WHY", "NEW OPERATION", "AT"),
        [
            (
                item.number,
                item.operation_id,
                item.state,
                item.code,
                item.message,
                item.new_operation_id,
                item.at,
            )
            for item in found
        ],
    )
    if has_more:
        tell_of_more(found[-1].number)


@app.command()
def pause(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Hold a bulk: nothing further is acted on until it is resumed."""
    run(_act("pause", bulk_id, reason, output))


@app.command()
def resume(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a bulk go on that was paused."""
    run(_act("resume", bulk_id, reason, output))


@app.command()
def stop(bulk_id: BulkId, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """End a bulk where it is: what it did stays done, and the rest is skipped."""
    run(_act("stop", bulk_id, reason, output))


async def _act(name: str, bulk_id: str, reason: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        by = By(actor(), reason)
        bulk: Bulk = await getattr(platform.bulks, name)(bulk_id, by)
        _print(bulk, await platform.bulks.progress_of(bulk_id), output)


@app.command()
def rate(
    bulk_id: BulkId, *, per_second: PerSecond, reason: Why, output: Output = OutputFormat.TEXT
) -> None:
    """Change how many operations a bulk acts on a second, while it runs."""
    run(_rate(bulk_id, per_second, reason, output))


async def _rate(bulk_id: str, per_second: float, reason: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        bulk = await platform.bulks.set_rate(bulk_id, per_second, By(actor(), reason))
        _print(bulk, await platform.bulks.progress_of(bulk_id), output)


def _print(bulk: Bulk, progress: BulkProgress, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(_as_json(bulk, progress))
        return
    view = BulkView.of(bulk, progress)
    print_fields(
        {
            "id": view.id,
            "action": view.action,
            "status": view.status,
            "progress": describe(bulk, progress, 0),
            "who": view.actor,
            "why": view.reason,
            "query": view.query,
            "arguments": view.arguments or None,
            "per second": f"{view.rate_per_s:g}",
            "undoes": view.undo_of,
            "reasons": view.progress.codes or None,
            "created": view.created_at,
            "finished": view.finished_at,
        }
    )


def _print_preview(preview: BulkPreview, output: OutputFormat) -> None:
    view = BulkPreviewView.of(preview)
    if output == OutputFormat.JSON:
        print_json(view.model_dump(mode="json"))
        return
    print_fields(
        {
            "operations": f"{view.count:,}",
            "by status": view.by_status,
            "by kind": view.by_kind,
            "unknown ids": view.unknown or None,
        }
    )
    if view.sample:
        out.print()
        print_table(
            ("ID", "KIND", "STATUS", "CUSTOMER", "FAILURE", "UPDATED"),
            [
                (
                    operation.id,
                    operation.kind,
                    operation.status,
                    operation.customer_id,
                    operation.failure and operation.failure.code,
                    operation.updated_at,
                )
                for operation in view.sample
            ],
        )


def _as_json(bulk: Bulk, progress: BulkProgress) -> dict[str, object]:
    # As the API shows it.
    return BulkView.of(bulk, progress).model_dump(mode="json")
