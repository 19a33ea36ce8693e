"""`perdure statements`: files of banks' statements, and whose they are."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from perdure.cli.api_client import ApiClient, ApiError, open_api, part
from perdure.cli.input_file import open_input
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_error,
    print_fields,
    print_json,
    print_json_list,
)
from perdure.cli.pages import Limit, StartingAfter, print_page
from perdure.core.errors import InvalidInput
from perdure.core.money import format_amount

app = typer.Typer(help="Banks' statements, and whose they are.", no_args_is_help=True)

_PATH: Final = "/v1/statements"
_PART_BYTES: Final = 300_000
"""In base64 it is what the API takes in one request."""
_PATIENCE_S: Final = 1_800.0
"""A file of a million lines takes some minutes."""
_ID = Annotated[str, typer.Argument(help="Its id, stm_….", metavar="ID")]


@app.command("load")
def load_files(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files, or folders of files; - is what comes in.", metavar="FILE…"),
    ],
    *,
    source: Annotated[
        str | None, typer.Option(help="Whose account it is, where the file does not say: CSV.")
    ] = None,
    written: Annotated[
        str | None,
        typer.Option("--format", help="camt053, mt940, bai2 or csv; left out: as it begins."),
    ] = None,
    allow_gap: Annotated[
        bool, typer.Option(help="Statements between the last one and this are not to come.")
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Load statements: all of a file, or nothing of it; ends with 1 if one was not loaded.

    A file that is loaded already is told as such, and does no harm.
    """
    asked = {"source": source, "format": written, "allow_gap": allow_gap}
    api, loaded, refused = open_api(patience_s=_PATIENCE_S), [], 0
    for path in _files(paths):
        try:
            with open_input(path) as file:
                found = load_file(api, path.name, file, asked)
        except (ApiError, InvalidInput) as error:
            refused += getattr(error, "code", "") != "statement_loaded" or len(paths) == 1
            print_error(f"{path}: {error.message}", code=error.code)
            continue
        loaded += found
        if output == OutputFormat.TEXT:
            for one in found:
                out.print(f"{one['id']}: {one['lines']} lines of {one['source']} to {one['to_on']}")
    if output == OutputFormat.JSON:
        print_json_list(loaded)
    if refused:
        raise typer.Exit(1)


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        found += inside
    return found


def load_file(
    api: ApiClient, name: str, file: BinaryIO, asked: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Load a file's statements, in parts where it is large; returns them.

    Args:
        asked: What is said of it beside, as the API takes it.

    Raises:
        ApiError: It is refused, or not answered.
    """
    first = file.read(_PART_BYTES)
    body: dict[str, Any] = {"file_name": name, **asked}
    more = file.read(_PART_BYTES)
    if not more:
        body["content"] = base64.b64encode(first).decode()
    else:
        body["upload_id"] = _upload(api, file, [first, more])
    found: list[dict[str, Any]] = api.post(_PATH, body)["data"]
    return found


def _upload(api: ApiClient, file: BinaryIO, begun: list[bytes]) -> str:
    upload_id: str | None = None
    number = 0
    while begun:
        number += 1
        sent = api.post(
            f"{_PATH}/parts",
            {
                "number": number,
                "content": base64.b64encode(begun.pop(0)).decode(),
                "upload_id": upload_id,
            },
            with_key=upload_id is None,
        )
        upload_id = sent["upload_id"]
        if not begun and (next_part := file.read(_PART_BYTES)):
            begun.append(next_part)
    assert upload_id is not None
    return upload_id


@app.command("list")
def list_statements(
    *,
    source: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List statements, the last loaded first."""
    page = open_api().list(_PATH, limit=limit, source=source, starting_after=starting_after)
    columns = ("ID", "SOURCE", "FROM", "TO", "#LINES", "#CLOSING", "FORMAT", "FILE")
    print_page(
        page,
        output,
        columns,
        lambda view: (
            view["id"],
            view["source"],
            view["from_on"],
            view["to_on"],
            view["lines"],
            _amount(view["closing_minor"], view["currency"]),
            view["format"],
            view["file_name"],
        ),
    )


def _amount(amount_minor: int | None, currency: str) -> str | None:
    return None if amount_minor is None else format_amount(amount_minor, currency)


@app.command("get")
def get(statement_id: _ID, output: Output = OutputFormat.TEXT) -> None:
    """Show a statement."""
    view = open_api().get(f"{_PATH}/{part(statement_id)}")
    if output == OutputFormat.JSON:
        print_json(view)
    else:
        print_fields({name: value for name, value in view.items() if name != "object"})


@app.command("lines")
def list_lines(
    statement_id: _ID,
    *,
    limit: Limit = 50,
    starting_after: Annotated[int, typer.Option(help="The last id of the page before.")] = 0,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List a statement's entries, in their order."""
    page = open_api().list(
        f"{_PATH}/{part(statement_id)}/lines", limit=limit, starting_after=starting_after
    )
    columns = ("ID", "BOOKED", "#AMOUNT", "MATCHED", "REFERENCES", "DESCRIPTION")
    print_page(
        page,
        output,
        columns,
        lambda view: (
            view["id"],
            view["booked_on"],
            format_amount(view["amount_minor"], view["currency"]),
            view["matched_by"],
            view["references"],
            view["description"],
        ),
    )


@app.command("account")
def put_account(
    source: Annotated[
        str, typer.Argument(help="As statements name it: an IBAN, say.", metavar="SOURCE")
    ],
    account: Annotated[str, typer.Option(help="Ours that it has to agree with, acc_… or sys_….")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    since: Annotated[str, typer.Option(help="The first day that is compared.", metavar="DATE")],
    *,
    encoding: Annotated[str, typer.Option(help="utf-8, latin-1 or cp1252.")] = "utf-8",
    columns: Annotated[
        Path | None, typer.Option(help="How its CSV is written, as JSON.", metavar="FILE.json")
    ] = None,
    timing_days: Annotated[int, typer.Option(help="How far apart the two sides may be.")] = 2,
    tolerance_minor: Annotated[int, typer.Option(help="How far apart two amounts may be.")] = 0,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Say which account of ours a bank's statements are about, and how it writes them."""
    view = open_api().put(
        f"/v1/statement-accounts/{part(source)}",
        {
            "account_id": account,
            "currency": currency,
            "since": since,
            "encoding": encoding,
            "columns": _mapping(columns) if columns else None,
            "timing_days": timing_days,
            "tolerance_minor": tolerance_minor,
        },
    )
    if output == OutputFormat.JSON:
        print_json(view)
    else:
        out.print(f"{source} has to agree with {account} from {since} on.")


def _mapping(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{path} is no JSON that can be read: {error}.", param="columns"
        ) from None


@app.command("accounts")
def list_accounts(
    *,
    limit: Limit = 50,
    starting_after: StartingAfter = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List accounts outside, and ours that they have to agree with."""
    page = open_api().list(
        "/v1/statement-accounts", limit=limit, cursor="source", starting_after=starting_after
    )
    columns = ("SOURCE", "ACCOUNT", "CURRENCY", "SINCE", "#DAYS", "#TOLERANCE", "CSV")
    print_page(
        page,
        output,
        columns,
        lambda view: (
            view["source"],
            view["account_id"],
            view["currency"],
            view["since"],
            view["timing_days"],
            view["tolerance_minor"],
            "yes" if view["columns"] else None,
        ),
        cursor="source",
    )
