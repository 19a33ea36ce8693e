"""`perdure limits`: how often each provider is called, by the whole fleet."""

from dataclasses import asdict
from typing import Annotated

import typer

from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json_list,
    print_table,
)
from perdure.cli.session import actor, open_session, run
from perdure.limits import store
from perdure.limits.model import Limit, LimitChange
from perdure.limits.rules import check_provider
from perdure.limits.store import LimitStatus

app = typer.Typer(help="How often each provider is called.", no_args_is_help=True)

Provider = Annotated[
    str, typer.Argument(help="The provider, as in its queue: gateway, bank, registry-fr…")
]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


@app.command("list")
def list_limits(output: Output = OutputFormat.TEXT) -> None:
    """List every provider: its limit, whether it is called now, and how it answers."""
    found = run(_list())
    if output == OutputFormat.JSON:
        print_json_list([_as_json(status) for status in found])
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
                status.limit.provider,
                status.limit.per_second,
                status.limit.at_once,
                status.state,
                status.standing.failing_since,
                _percent(status.standing.failing_share),
                status.wanted,
                status.calls,
            )
            for status in found
        ],
    )


async def _list() -> list[LimitStatus]:
    async with open_session() as platform:
        return await store.statuses(platform.pool, platform.kinds.limited_providers)


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
    change = run(_set(Limit(provider, per_second, at_once), reason))
    out.print(f"{provider}: {_figures(change.before)} -> {_figures(change.after)}")


async def _set(limit: Limit, reason: str) -> LimitChange:
    async with open_session() as platform:
        check_provider(limit.provider, platform.kinds.limited_providers)
        return await store.set_limit(platform.pool, limit, actor=actor(), reason=reason)


@app.command()
def remove(provider: Provider, reason: Why) -> None:
    """Have a provider be called without a limit."""
    change = run(_remove(provider, reason))
    out.print(f"{provider}: {_figures(change.before)} -> {_figures(change.after)}")


async def _remove(provider: str, reason: str) -> LimitChange:
    async with open_session() as platform:
        return await store.remove_limit(platform.pool, provider, actor=actor(), reason=reason)


@app.command()
def history(
    provider: Annotated[str | None, typer.Argument(help="Only this provider's.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List who changed which limit, when and why, the latest first."""
    found = run(_history(provider))
    if output == OutputFormat.JSON:
        print_json_list([asdict(change) for change in found])
        return
    print_table(
        ("AT", "PROVIDER", "BEFORE", "AFTER", "ACTOR", "REASON"),
        [
            (
                change.at,
                change.provider,
                _figures(change.before),
                _figures(change.after),
                change.actor,
                change.reason,
            )
            for change in found
        ],
    )


async def _history(provider: str | None) -> list[LimitChange]:
    async with open_session() as platform:
        return list(await store.changes(platform.pool, provider))


def _figures(limit: dict[str, float | int | None] | None) -> str:
    if limit is None:
        return "no limit"
    said = {"a second": limit["per_second"], "at once": limit["at_once"]}
    return ", ".join(f"{figure:g} {what}" for what, figure in said.items() if figure is not None)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _as_json(status: LimitStatus) -> dict[str, object]:
    return {
        **asdict(status.limit),
        "state": status.state,
        "calls": status.calls,
        "wanted": status.wanted,
        "failing_share": status.standing.failing_share,
        "failing_since": status.standing.failing_since,
        "called_again_at": status.standing.until,
    }
