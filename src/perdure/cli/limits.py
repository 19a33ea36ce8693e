"""`perdure limits`: how often each provider is called, by the whole fleet."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json_list,
    print_table,
    read_time,
)

app = typer.Typer(no_args_is_help=True)

Provider = Annotated[str, typer.Argument(help="The provider, as `perdure limits list` names it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


@app.command("list")
def list_limits(output: Output = OutputFormat.TEXT) -> None:
    """List every provider: its limit, whether it is called now, and how it answers."""
    found = open_api().get("/v1/limits")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    print_table(
        (
            "PROVIDER",
            "#PER SECOND",
            "#AT ONCE",
            "STATE",
            "FAILING SINCE",
            "#FAILING",
            "#WANTED",
            "#CALLS",
        ),
        [
            (
                limit["provider"],
                limit["per_second"],
                limit["at_once"],
                limit["state"],
                read_time(limit["failing_since"]),
                _percent(limit["failing_share"]),
                limit["wanted"],
                limit["calls"],
            )
            for limit in found
        ],
    )


@app.command("set")
def set_limit(
    provider: Provider,
    reason: Why,
    per_second: Annotated[
        float | None, typer.Option(help="How many calls begin a second; left out: any number.")
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(help="How many calls are under way; left out: any number.")
    ] = None,
) -> None:
    """Set a provider's limit; every running process keeps it within two seconds."""
    body = {"per_second": per_second, "at_once": at_once, "reason": reason}
    _print(open_api().put(f"/v1/limits/{part(provider)}", body))


@app.command()
def remove(provider: Provider, reason: Why) -> None:
    """Have a provider be called without a limit."""
    _print(open_api().post(f"/v1/limits/{part(provider)}/remove", {"reason": reason}))


def _print(change: Mapping[str, Any]) -> None:
    before, after = _figures(change["before"]), _figures(change["after"])
    out.print(f"{change['provider']}: {before} -> {after}")


@app.command()
def history(
    provider: Annotated[str | None, typer.Argument(help="Only this provider's.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List who changed which limit, when and why, the latest first."""
    of_one = f"{part(provider)}/" if provider is not None else ""
    found = open_api().get(f"/v1/limits/{of_one}changes")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
        return
    print_table(
        ("AT", "PROVIDER", "BEFORE", "AFTER", "ACTOR", "REASON"),
        [
            (
                read_time(change["at"]),
                change["provider"],
                _figures(change["before"]),
                _figures(change["after"]),
                change["actor"],
                change["reason"],
            )
            for change in found
        ],
    )


def _figures(limit: Mapping[str, float | None] | None) -> str:
    if limit is None:
        return "no limit"
    said = {"a second": limit["per_second"], "at once": limit["at_once"]}
    return ", ".join(f"{figure:g} {what}" for what, figure in said.items() if figure is not None)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"
