"""The list of operations: filtered by its address, in pages, and whole as CSV."""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from perdure.api.authentication import PlatformOfApp
from perdure.api.streams import send_file
from perdure.bootstrap import Platform
from perdure.capabilities import installed
from perdure.console.errors import ConsoleRoute
from perdure.console.filters import CURSORS, Filters, presets
from perdure.console.rendering import HOME, page
from perdure.console.shown import Shown
from perdure.console.viewers import Viewer, viewer_with
from perdure.core.errors import InvalidInput, NotFound
from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.core.text import check_identifier
from perdure.operations.model import Operation
from perdure.operations.searching import COUNTED_MAX, Search, count_found, search

router = APIRouter(route_class=ConsoleRoute)

LIST: Final = f"{HOME}/operations"
PAGE: Final = 50
_CSV_PAGE: Final = 1000
_CSV_COLUMNS: Final = (
    *("id", "kind", "status", "customer_id", "reference", "amount_minor", "currency"),
    *("failure_code", "failure_step", "created_at", "updated_at", "finished_at"),
    *("relaunch_of", "relaunched_as", "refund_of", "refunded_by"),
)
ID: Final = re.compile(rf"[a-z]{{3,}}_[0-9a-z]{{{ID_SUFFIX_LENGTH}}}")

Reader = Annotated[Viewer, Depends(viewer_with("operations:read"))]


@router.get("/operations")
async def list_operations(request: Request, platform: PlatformOfApp, viewer: Reader) -> Response:
    """Show operations, newest first."""
    given = dict(request.query_params)
    if "q" in given:
        return await _found_by_name(request, platform, viewer, given["q"].strip())
    if any(not text.strip() for text in given.values()):
        # As a form sends what is left empty; an address is short, and one page has one.
        return RedirectResponse(Filters.read(given).address(LIST), 303)
    filters = Filters.read(given)
    cursors = {name: _cursor(given[name], filters) for name in CURSORS if given.get(name)}
    found: list[Operation] = []
    counted: int | None = 0
    if not filters.wrong:
        found = await search(platform.pool, filters.search, **cursors, limit=PAGE + 1)
        counted = await count_found(platform.pool, filters.search)
    return _list(request, viewer, filters, found, counted, backwards="ending_before" in cursors)


def _list(
    request: Request,
    viewer: Viewer,
    filters: Filters,
    found: list[Operation],
    counted: int | None,
    *,
    backwards: bool = False,
    sought: str | None = None,
) -> Response:
    has_more = len(found) > PAGE
    rows = (found[1:] if backwards else found[:-1]) if has_more else found
    has_newer = has_more if backwards else "starting_after" in request.query_params
    has_older = has_more or backwards
    return page(
        request,
        "operations.html",
        viewer,
        status=400 if filters.wrong else 200,
        filters=filters,
        presets=presets(),
        kinds=sorted(installed()),
        rows=[Shown(one) for one in rows],
        count=_count(counted),
        newer=filters.address(LIST, ending_before=rows[0].id) if rows and has_newer else None,
        older=filters.address(LIST, starting_after=rows[-1].id) if rows and has_older else None,
        first=LIST if sought is not None else filters.address(LIST),
        sought=sought,
        list_path=LIST,
        live=_live(request, filters, rows) if sought is None and not filters.wrong else None,
    )


def _live(request: Request, filters: Filters, rows: list[Operation]) -> str:
    """Return where the stream of a page is."""
    is_first = not {*CURSORS} & {*request.query_params}
    shown = ",".join(one.id for one in rows)
    return filters.address(f"{HOME}/live/operations", shown=shown, first="1" if is_first else None)


def _count(counted: int | None) -> str:
    if counted is None:
        return "many: counting them takes too long"
    return f"{COUNTED_MAX:,}+" if counted > COUNTED_MAX else f"{counted:,}"


def _cursor(text: str, filters: Filters) -> str:
    if not ID.fullmatch(text):
        filters.wrong["page"] = "There is no such page; begin with the first."
    return text


async def _found_by_name(
    request: Request, platform: Platform, viewer: Viewer, sought: str
) -> Response:
    """Lead to what somebody knows by a name: an operation, or those of a reference or a customer.

    Each is looked up by itself, as what is asked of all three at once is found by no index.
    """
    if ID.fullmatch(sought):
        try:
            operation = await platform.operations.get(sought)
        except NotFound:
            pass
        else:
            return RedirectResponse(f"{LIST}/{operation.id}", 303)
    try:
        name = check_identifier("q", sought)
    except InvalidInput:
        name = None
    for field in ("reference", "customer_id") if name else ():
        if await platform.operations.find(**{field: name}, limit=1):  # type: ignore[arg-type]
            return RedirectResponse(Filters.read({field: sought}).address(LIST), 303)
    return _list(request, viewer, Filters.read({}), [], 0, sought=sought)


@router.get("/operations.csv")
async def export_operations(request: Request, platform: PlatformOfApp, viewer: Reader) -> Response:
    """Send the whole list as CSV, as it is read."""
    filters = Filters.read(request.query_params)
    for name, told in filters.wrong.items():
        raise InvalidInput(told, param=name)
    parts = _csv(platform, filters.search)
    return send_file(request, viewer.key, parts, name="operations.csv", media_type="text/csv")


async def _csv(platform: Platform, wanted: Search) -> AsyncIterator[str]:
    yield _lines([_CSV_COLUMNS])
    last: str | None = None
    while True:
        found = await search(platform.pool, wanted, starting_after=last, limit=_CSV_PAGE)
        if not found:
            return
        last = found[-1].id
        yield _lines(map(_csv_row, found))


def _csv_row(operation: Operation) -> list[str]:
    amount_minor, currency = Shown(operation).amount
    failure = operation.failure
    known = {
        "amount_minor": amount_minor,
        "currency": currency,
        "failure_code": failure and failure.code,
        "failure_step": failure and failure.step,
    }
    values = (known.get(name, getattr(operation, name, None)) for name in _CSV_COLUMNS)
    return [_csv_cell(value) for value in values]


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    # A spreadsheet takes what begins so for a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _lines(rows: Iterable[Iterable[object]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
