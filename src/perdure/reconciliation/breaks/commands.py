"""`perdure breaks`: what does not fit, and what a person makes of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from perdure.cli.api_client import open_api, part
from perdure.cli.output import Output, OutputFormat, out, print_fields, print_json
from perdure.cli.pages import Limit, StartingAfter, print_page
from perdure.core.ids import check_id
from perdure.reconciliation.breaks.model import How
from perdure.reconciliation.breaks.texts import difference
from perdure.reconciliation.contracts import BREAK_ID_PREFIX
from perdure.reconciliation.matching.items import BreakClass

app = typer.Typer(help="What does not fit between statements and our books.", no_args_is_help=True)

_PATH: Final = "/v1/reconciliation-breaks"
_ID = Annotated[str, typer.Argument(help="Its id, brk_….", metavar="ID")]


@app.command("list")
def list_breaks(
    *,
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    source: Annotated[str | None, typer.Option(help="Only of this statement's account.")] = None,
    break_class: Annotated[BreakClass | None, typer.Option("--class", help="Only these.")] = None,
    found_in: Annotated[
        str | None, typer.Option(help="Only those that this reconciliation was the last to find.")
    ] = None,
    is_open: Annotated[
        bool | None, typer.Option("--open/--resolved", help="Only those that are open, or not.")
    ] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List breaks, newest first."""
    page = open_api().list(
        _PATH,
        limit=limit,
        account_id=account,
        source=source,
        break_class=break_class,
        found_in=found_in,
        open=None if is_open is None else str(is_open).lower(),
        starting_after=starting_after,
    )
    columns = ("ID", "CLASS", "SOURCE", "ACCOUNT", "#DIFFERENCE", "SINCE", "RESOLUTION", "WHAT")
    print_page(page, output, columns, _row)


def _row(view: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        view["id"],
        view["break_class"],
        view["source"],
        view["account_id"],
        _difference(view),
        view["found_on"],
        view["resolution"],
        view["told"],
    )


def _difference(view: Mapping[str, Any]) -> str | None:
    return difference(view["break_class"], view["amount_minor"], view["currency"])


@app.command("get")
@app.command("show", hidden=True)
def get(break_id: _ID, output: Output = OutputFormat.TEXT) -> None:
    """Show a break, and the ways to match it that are proposed."""
    view = open_api().get(f"{_PATH}/{part(check_id(break_id, BREAK_ID_PREFIX))}")
    if output == OutputFormat.JSON:
        print_json(view)
        return
    failure = view["failure"]
    if failure and failure["code"] == view["break_class"]:
        failure = None  # It is what was found; another one says why it could not be resolved.
    proposals = {
        f"proposal {number}": " ".join(
            [*one["transfer_ids"], "with", *(f"line {line_id}" for line_id in one["line_ids"])]
        )
        for number, one in enumerate(view["proposals"], 1)
    }
    print_fields(
        {
            "id": view["id"],
            "class": view["break_class"],
            "status": view["status"],
            "source": view["source"],
            "account": view["account_id"],
            "difference": _difference(view),
            "entries": view["transfer_ids"],
            "lines": view["line_ids"],
            **proposals,
            "found on": view["found_on"],
            "resolution": view["resolution"],
            "waited for until": view["excused_until"],
            "what": view["told"],
            "failure": f"{failure['code']}: {failure['message']}" if failure else None,
        }
    )


@app.command("resolve")
def resolve(
    break_id: _ID,
    how: Annotated[How, typer.Argument(help="What is made of it.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on the trail.")],
    *,
    account: Annotated[
        str | None, typer.Option(help="Of `book`: where the other half goes, acc_… or sys_….")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Of what is waited for: how long.")] = None,
    entry: Annotated[
        list[str] | None, typer.Option(help="Of `match`: an entry of ours; repeatable.")
    ] = None,
    line: Annotated[
        list[int] | None, typer.Option(help="Of `match`: a line of theirs; repeatable.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Say how a break is resolved."""
    view = open_api().post(
        f"{_PATH}/{part(check_id(break_id, BREAK_ID_PREFIX))}/resolve",
        {
            "how": how.value,
            "reason": reason,
            "account_id": account,
            "days": days,
            "transfer_ids": entry or [],
            "line_ids": line or [],
        },
    )
    if output == OutputFormat.JSON:
        print_json(view)
    else:
        out.print(f"{break_id} is being resolved; `perdure breaks get` tells what came of it.")
