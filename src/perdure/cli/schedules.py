"""`perdure schedules`: what recurs, kept as the settings declare it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json,
    print_json_list,
    print_table,
    read_time,
)

app = typer.Typer(no_args_is_help=True)

_PATH: Final = "/v1/schedules"
_Name = Annotated[str, typer.Argument(help="As `list` shows it.", metavar="NAME")]
_Reason = Annotated[str, typer.Option(help="Why; it stays with the schedule.")]


@app.command("apply")
def apply(
    *,
    dry_run: Annotated[bool, typer.Option(help="Only tell what would be done.")] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have Temporal's schedules be as the settings declare them; touches no others."""
    found = open_api().post(f"{_PATH}/apply", {"dry_run": dry_run})["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    print_table(
        ("SCHEDULE", "STEP", "BEFORE", "AFTER"),
        [(one["name"], one["step"], _told(one["before"]), _told(one["after"])) for one in found],
    )


@app.command("list")
def list_schedules(output: Output = OutputFormat.TEXT) -> None:
    """List schedules, as Temporal has them."""
    found = open_api().get(_PATH)["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    print_table(
        ("SCHEDULE", "WHEN", "PAUSED", "NEXT", "LAST", "#MISSED", "WHAT"),
        [
            (
                one["name"],
                _told(one["terms"]) or "changed by hand",
                one["note"] if one["is_paused"] else None,
                read_time(one["next_at"]),
                read_time(one["last_at"]),
                one["missed"],
                one["help"],
            )
            for one in found
        ],
    )


@app.command("pause")
def pause(name: _Name, reason: _Reason, output: Output = OutputFormat.TEXT) -> None:
    """Pass over a schedule's times until it is resumed; these are not made up for."""
    _act(name, "pause", {"reason": reason}, f"{name} is paused.", output)


@app.command("resume")
def resume(name: _Name, reason: _Reason, output: Output = OutputFormat.TEXT) -> None:
    """Take a schedule's times again."""
    _act(name, "resume", {"reason": reason}, f"{name} goes on.", output)


@app.command("trigger")
def trigger(name: _Name, output: Output = OutputFormat.TEXT) -> None:
    """Take this moment as one of a schedule's times."""
    _act(name, "trigger", {}, f"{name} is done now.", output)


def _act(name: str, what: str, body: Mapping[str, Any], told: str, output: OutputFormat) -> None:
    view = open_api().post(f"{_PATH}/{part(name)}/{what}", body, with_key=False)
    if output == OutputFormat.JSON:
        print_json(view)
    else:
        out.print(told)


def _told(terms: Mapping[str, Any] | None) -> str | None:
    return f"{terms['cron']} {terms['timezone']}" if terms else None
