"""A kind's commands, made from what it declares: create, look at, list, follow, cancel, refund."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import typer

from perdure.capability.declaration import Capability, Shown
from perdure.cli.api_client import open_api, part
from perdure.cli.chain import chain_fields
from perdure.cli.follow import follow
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_fields,
    print_json,
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
from perdure.cli.values import Deadline
from perdure.core.gears import AskedGear
from perdure.core.ids import check_id
from perdure.core.money import format_amount, read_amount_minor
from perdure.core.notes import Note, notes_of
from perdure.core.times import read_date, read_moment

_Gear = Annotated[
    AskedGear | None,
    typer.Option(help="What carries it out; left out: as the house has set."),
]
_Id = Annotated[str, typer.Argument(help="Its id.", metavar="ID")]
_View = Mapping[str, Any]

_HELP: Final = {
    "amount_minor": "In minor units: 1250 is 12.50 USD.",
    "currency": "ISO 4217 code.",
    "reference": "Your name for it: the same again adds nothing.",
}
"""Of the fields that kinds have in common."""
_TIMES: Final[Mapping[Any, tuple[Callable[[str, str], date], str]]] = {
    date: (read_date, "DATE"),
    datetime: (read_moment, "TIME"),
}


def kind_app(kind: Capability) -> typer.Typer:
    """Return a kind's group of commands."""
    app = typer.Typer(no_args_is_help=True)
    commands = _Commands(kind)
    app.command("create", help=f"Create {kind.one}; `watch` follows it to its end.")(
        _creating(kind)
    )
    app.command("get", help=f"Show {kind.one}.")(commands.get)
    # What `operations` calls it.
    app.command("show", hidden=True)(commands.get)
    app.command("list", help=f"List {kind.plural}, newest first.")(commands.list)
    app.command("watch", help=f"Follow {kind.one}'s changes until its end.")(commands.watch)
    app.command("cancel", help=f"Ask {kind.one} to stop; what it did so far is undone.")(
        commands.cancel
    )
    if kind.is_refundable:
        app.command("refund", help=f"Have what {kind.one} took given back; shows the refund.")(
            commands.refund
        )
    return app


class _Commands:
    """What all kinds' commands but `create` do."""

    def __init__(self, kind: Capability) -> None:
        self._kind = kind
        self._path = path_of(kind)

    def get(self, operation_id: _Id, output: Output = OutputFormat.TEXT) -> None:
        """Show one."""
        show(self._kind, open_api().get(self._path_of(operation_id)), output)

    def list(
        self,
        *,
        status: StatusFilter = None,
        customer: CustomerFilter = None,
        reference: ReferenceFilter = None,
        limit: Limit = 20,
        starting_after: StartingAfter = None,
        output: Output = OutputFormat.TEXT,
    ) -> None:
        """List them, newest first."""
        page = open_api().list(
            self._path,
            limit=limit,
            status=status,
            customer_id=customer,
            reference=reference,
            starting_after=starting_after,
        )
        columns = ("CUSTOMER", "REFERENCE", "FAILURE", "CREATED")
        amount = ("#AMOUNT",) if self._kind.amount_field else ()
        listed = (one.name.replace("_", " ").upper() for one in _listed(self._kind))
        print_page(
            page, output, ("ID", "STATUS", *amount, *listed, *columns), self._row, chains=True
        )

    def watch(self, operation_id: _Id, output: Output = OutputFormat.TEXT) -> None:
        """Follow one's changes until its end, or until it needs attention."""
        follow(open_api(), self._checked(operation_id), output)

    def cancel(
        self,
        operation_id: _Id,
        reason: Annotated[str, typer.Option(help="For the trail and the customer.")] = "Cancelled.",
        output: Output = OutputFormat.TEXT,
    ) -> None:
        """Ask one to stop; what it did so far is undone."""
        path = f"{self._path_of(operation_id)}/cancel"
        answer = open_api().post(path, {"reason": reason})
        if output == OutputFormat.JSON:
            told = {name: answer[name] for name in ("accepted", "reason")}
            print_json({"id": operation_id, **told})
        else:
            out.print(answer["reason"])

    def refund(
        self,
        operation_id: _Id,
        reason: Annotated[str, typer.Option(help="Why; it stays on the trail.")],
        output: Output = OutputFormat.TEXT,
    ) -> None:
        """Have what one took given back."""
        path = f"{self._path_of(operation_id)}/refund"
        refund = open_api().post(path, {"reason": reason})
        if output == OutputFormat.JSON:
            print_json(refund)
        else:
            out.print(f"{refund['id']} ({refund['status']}): It is the refund of {operation_id}.")

    def _checked(self, operation_id: str) -> str:
        return check_id(operation_id, self._kind.id_prefix)

    def _path_of(self, operation_id: str) -> str:
        return f"{self._path}/{part(self._checked(operation_id))}"

    def _row(self, view: _View) -> tuple[object, ...]:
        return (
            view["id"],
            view["status"],
            *((_amount(self._kind, view),) if self._kind.amount_field else ()),
            *(view[one.name] for one in _listed(self._kind)),
            view["customer_id"],
            view["reference"],
            view["failure"] and view["failure"]["code"],
            read_time(view["created_at"]),
        )


def path_of(kind: Capability) -> str:
    """Return where the API has a kind."""
    return f"/v1/{kind.plural}"


def show(kind: Capability, view: _View, output: OutputFormat) -> None:
    """Print one, as the API shows it."""
    if output == OutputFormat.JSON:
        print_json(view)
        return
    failure = view["failure"]
    summary = [name for name, note in notes_of(kind.request).items() if note.in_summary]
    amount = {"amount": _amount(kind, view)} if kind.amount_field else {}
    account = {"account": view["account_id"]} if "account_id" in view else {}
    print_fields(
        {
            "id": view["id"],
            "status": view["status"],
            **amount,
            "customer": view["customer_id"],
            **account,
            **{name.replace("_", " "): view[name] for name in summary},
            **_came_of_it(kind, view),
            "reference": view["reference"],
            "failure": f"{failure['code']}: {failure['message']}" if failure else None,
            **chain_fields(view),
            "gear": view["gear"],
            "created": read_time(view["created_at"]),
            "finished": read_time(view["finished_at"]),
        }
    )


def _listed(kind: Capability) -> list[Shown]:
    return [one for one in kind.shows if one.in_list]


def _came_of_it(kind: Capability, view: _View) -> dict[str, object]:
    """Return what a view has beyond the request; status and amount have said their part."""
    said = (kind.amount_field, "currency")
    found = [one for one in kind.shows if one.name not in said and not one.beside_status]
    return {
        one.name.replace("_", " "): read_time(view[one.name])
        if _without_none(one.type) is datetime
        else view[one.name]
        for one in found
    }


def _amount(kind: Capability, view: _View) -> str | None:
    amount_minor = view[kind.amount_field] if kind.amount_field else None
    return None if amount_minor is None else format_amount(amount_minor, view["currency"])


def _creating(kind: Capability) -> Callable[..., None]:
    """Return the command that creates one: its options are the request's fields."""
    asked = _asked_for(kind.request)

    def create(**given: Any) -> None:
        output, deadline = given.pop("output"), given.pop("deadline")
        gear = given.pop("gear", None)
        body: dict[str, Any] = {}
        for name, value in given.items():
            if value is not None and value != []:
                place = body
                *objects, last = asked[name]
                for field in objects:
                    place = place.setdefault(field, {})
                place[last] = value
        if deadline is not None:
            body["deadline"] = deadline.isoformat()
        if gear is not None:
            body["gear"] = gear
        show(kind, open_api().post(path_of(kind), body), output)

    parameters = [
        *_options(kind.request),
        _option("deadline", Deadline, None),
        *([_option("gear", _Gear, None)] if kind.has_lane else []),
        _option("output", Output, OutputFormat.TEXT),
    ]
    # What a person would have written: the order is the fields', those needed first.
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    create.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    create.__annotations__ = {one.name: one.annotation for one in parameters}
    return create


def _asked_for(request: type) -> dict[str, tuple[str, ...]]:
    """Return where in the request's body each option's value goes, by the option's name."""
    found: dict[str, tuple[str, ...]] = {}
    for field, note, kind in _fields(request):
        if is_dataclass(kind):
            inner = {f"{field.name}_{one.name}": (field.name, one.name) for one in fields(kind)}
            found |= inner
        else:
            found[_name(field, note)] = (field.name,)
    return found


def _options(request: type) -> list[inspect.Parameter]:
    found = []
    for field, note, kind in _fields(request):
        said = note.help or note.description or _HELP.get(field.name, "")
        if is_dataclass(kind):
            found += [
                _option(
                    f"{field.name}_{one.name}",
                    _annotation(one.name, part, inner.help or inner.description or said),
                    None,
                )
                for one, inner, part in _fields(kind)
            ]
            continue
        default = note.option_default if note.option_default is not None else note.default
        is_needed = (
            default is None and field.default is MISSING and field.default_factory is MISSING
        )
        found.append(
            _option(
                _name(field, note),
                _annotation(field.name, kind, said),
                inspect.Parameter.empty if is_needed else default,
            )
        )
    return found


def _annotation(name: str, kind: Any, said: str) -> Any:
    """Return what reads a field's value: what is no plain one is read from JSON.

    A list's option is given once for each of its values.
    """
    if get_origin(kind) in (list, tuple):
        of = get_args(kind)[0]
        if (reading := _reading(name, of, said)) is not None:
            inner, option = reading
            return Annotated[list[inner] | None, option]  # type: ignore[valid-type]
    if (reading := _reading(name, kind, said)) is not None:
        inner, option = reading
        return Annotated[inner | None, option]
    return Annotated[Any, typer.Option(parser=json.loads, metavar="JSON", help=said)]


def _reading(name: str, kind: Any, said: str) -> tuple[Any, Any] | None:
    """Return the type of a plain value, and the option that reads it; None: it is none."""
    if "_minor" in name:
        option = typer.Option(
            parser=lambda text: read_amount_minor(text, param=name), metavar="INTEGER", help=said
        )
        return int, option
    if kind in _TIMES:
        read, metavar = _TIMES[kind]
        # Checked here, and sent as it is written.
        option = typer.Option(
            parser=lambda text: read(name, text).isoformat(), metavar=metavar, help=said
        )
        return str, option
    is_enum = isinstance(kind, type) and issubclass(kind, StrEnum)
    is_plain = is_enum or kind in (str, int, float, bool) or get_origin(kind) is Literal
    return (kind, typer.Option(help=said)) if is_plain else None


def _fields(request: Any) -> list[tuple[Field[Any], Note, Any]]:
    """Return a request's fields, each with its note and what its value is, where it has one."""
    notes, hints = notes_of(request), get_type_hints(request)
    return [
        (field, notes[field.name], _without_none(hints[field.name])) for field in fields(request)
    ]


def _without_none(hint: Any) -> Any:
    of = [one for one in getattr(hint, "__args__", ()) if one is not type(None)]
    return (
        of[0] if len(of) == 1 and len(hint.__args__) == 2 and type(None) in hint.__args__ else hint
    )


def _name(field: Field[Any], note: Note) -> str:
    return (note.option or field.name).replace("-", "_")


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )
