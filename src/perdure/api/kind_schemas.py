"""A kind's bodies and views, made of what it declares: its request's fields and their notes."""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Said

from perdure.api.operation_schemas import GEAR, common_values
from perdure.api.schemas import (
    AmountMinor,
    CancelRequestView,
    Currency,
    CustomerId,
    Day,
    Deadline,
    FailureView,
    Metadata,
    Moment,
    OptionalText,
    Reference,
    RequestBody,
    Text,
)
from perdure.capability.declaration import Capability, Shown
from perdure.core.gears import AskedGear, Gear
from perdure.core.notes import Note, notes_of
from perdure.operations.customer_view import operation_seen_by
from perdure.operations.model import Operation, Side, Status
from perdure.operations.steps import from_json, to_json

Model = TypeVar("Model", bound=BaseModel)
_Fields = dict[str, Any]
"""As `create_model` takes them: a type, and a default with what is said of it."""

_FIRST: Final = ("customer_id", "account_id", "amount_minor", "currency")
_LAST: Final = ("reference", "description")
"""What many kinds have is where people look for it; a kind's own fields are between."""

_BY_NAME: Final[Mapping[str, Any]] = {
    "customer_id": CustomerId,
    "currency": Currency,
    "reference": Reference,
}
"""What a field of this name is in a body, whatever the kind."""
_BY_TYPE: Final[Mapping[Any, Any]] = {str: Text, date: Day, datetime: Moment}
_LISTS: Final = (list, tuple)
"""A tuple is one of any length: `tuple[str, ...]`."""


class KindSchemas:
    """What one asks for of a kind, and what is shown of it.

    Attributes:
        item: What is asked for, as a batch has it.
        body: The same by itself, with what is said of it alone.
        view: How one is shown.
        cancellation: The answer to a request to cancel.
    """

    def __init__(self, kind: Capability) -> None:
        self._kind = kind
        self._names = _ordered(kind.request)
        self._hints = get_type_hints(kind.request)
        title, asked = kind.name.title(), _asked_fields(kind, self._names)
        self.item = _model(f"{title}Item", RequestBody, f"{kind.a_name} in a batch.", asked)
        self.body = _model(
            f"{title}Body", RequestBody, f"{kind.a_name} to be made.", asked | _said_alone(kind)
        )
        self.view = _model(
            f"{title}View", BaseModel, f"{kind.a_name}.", _shown_fields(kind, self._names)
        )
        self.cancellation = _model(
            f"{title}Cancellation",
            BaseModel,
            "The answer to a request to cancel.",
            {
                "object": (Literal["cancellation"], "cancellation"),
                "accepted": bool,
                "reason": str,
                kind.name: _said(self.view, f"The {kind.name}, as it stands now."),
            },
        )

    def request_of(self, asked: BaseModel) -> Any:
        """Return what the capability is asked, from an item or a body."""
        return self._kind.request(
            **{name: _plain(getattr(asked, name), self._hints[name]) for name in self._names}
        )

    def gear_of(self, asked: Any) -> AskedGear | None:
        """Return what a body says is to carry it out; None: nothing."""
        if not self._kind.has_lane:
            return None
        gear: AskedGear | None = asked.gear
        return gear or (AskedGear.FLOOD if asked.bulk else None)

    def show(self, operation: Operation, side: Side) -> BaseModel:
        """Show one from its row."""
        operation = operation_seen_by(side, operation)
        request: Any = from_json(self._kind.request, operation.input["request"])
        values = {name: getattr(request, name) for name in self._names}
        values |= common_values(operation)
        values |= {shown.name: shown.read(operation) for shown in self._kind.shows}
        return self.view(**values)

    def show_cancelled(self, reason: str, operation: Operation, side: Side) -> BaseModel:
        """Show what is told of a request to cancel, and how the operation stands."""
        shown = {self._kind.name: self.show(operation, side)}
        return self.cancellation(accepted=True, reason=reason, **shown)


def _ordered(request: type) -> list[str]:
    names = [field.name for field in fields(request)]
    own = [name for name in names if name not in {*_FIRST, *_LAST}]
    return [
        *(name for name in _FIRST if name in names),
        *own,
        *(name for name in _LAST if name in names),
    ]


def _asked_fields(kind: Capability, names: list[str]) -> _Fields:
    notes = notes_of(kind.request) | {
        "reference": Note(f"Your own name for it: one {kind.name} of a customer has it, for good.")
    }
    return _body_fields(kind.request, names, notes)


def _said_alone(kind: Capability) -> _Fields:
    found: _Fields = {
        "metadata": (Metadata, Said(default_factory=dict)),
        "deadline": (Deadline | None, None),
    }
    if kind.has_lane:
        told = (
            "What carries it out: `auto`, a worker directly, and a workflow of its own once it has"
            " to wait; `own_workflow`, from its first step on; `flood`, a lane with many others, at"
            " a fraction of the cost, behind what somebody waits for. Null: as the house has set."
        )
        found["gear"] = (AskedGear | None, Said(default=None, strict=False, description=told))
        found["bulk"] = (bool, Said(default=False, description="The same as the gear `flood`."))
    return found


def _shown_fields(kind: Capability, names: list[str]) -> _Fields:
    hints, notes = get_type_hints(kind.request), notes_of(kind.request)
    own = {shown.name: _of_shown(shown) for shown in kind.shows}
    beside = {shown.name for shown in kind.shows if shown.beside_status}
    return {
        "object": (Literal[kind.name], kind.name),
        "id": str,
        "status": Status,
        **{name: field for name, field in own.items() if name in beside},
        **{
            name: _said(_view_type(hints[name]), notes[name].description)
            for name in names
            if name not in own
        },
        **{name: field for name, field in own.items() if name not in beside},
        "failure": FailureView | None,
        "cancel_request": CancelRequestView | None,
        "deadline": datetime | None,
        "relaunch_of": _said(str | None, f"The {kind.name} that this one does again."),
        "relaunched_as": _said(str | None, f"The {kind.name} that does this one again."),
        "relaunch_status": _said(Status | None, "Where `relaunched_as` stands."),
        "refunded_by": _said(str | None, "Its refund, once one is asked for."),
        "refund_status": _said(Status | None, "Where `refunded_by` stands."),
        "gear": _said(Gear, GEAR),
        "metadata": dict[str, str],
        "created_at": datetime,
        "updated_at": datetime,
        "finished_at": datetime | None,
    }


def _of_shown(shown: Shown) -> Any:
    return _said(shown.type, shown.description)


def _said(type_: Any, description: str) -> Any:
    return (type_, Said(description=description)) if description else type_


def _model(name: str, base: type[Model], told: str, given: _Fields) -> type[Model]:
    return create_model(name, __base__=base, __module__=__name__, __doc__=told, **given)


def _body_fields(of: type, names: list[str], notes: Mapping[str, Note]) -> _Fields:
    hints, declared = get_type_hints(of), {field.name: field for field in fields(of)}
    return {name: _body_field(declared[name], hints[name], notes[name]) for name in names}


def _body_field(field: Field[Any], hint: Any, note: Note) -> tuple[Any, Any]:
    type_ = _body_type(field, hint)
    given: dict[str, Any] = {}
    if note.default is not None:
        given["default"] = note.default
    elif field.default is not MISSING:
        given["default"] = field.default
    elif field.default_factory is not MISSING:
        made = field.default_factory()
        given["default"] = _as_body(type_, made) if is_dataclass(hint) else made
    if note.description:
        given["description"] = note.description
    if note.examples:
        given["examples"] = [*note.examples]
    return type_, Said(**given)


def _as_body(model: type[RequestBody], value: Any) -> RequestBody:
    """Return a default as a body has it; what it leaves to its own defaults is not said."""
    said = to_json(value)
    usual = {one.name: one.default for one in fields(value)}
    return model.model_validate(
        {name: part for name, part in said.items() if getattr(value, name) != usual[name]}
    )


def _body_type(field: Field[Any], hint: Any) -> Any:
    inner, is_optional = _without_none(hint)
    found: Any = inner
    if field.name in _BY_NAME:
        found = _BY_NAME[field.name]
    elif inner is int and "_minor" in field.name:
        found = AmountMinor
    elif inner is str and field.default == "":
        found = OptionalText
    else:
        found = _body_part(inner)
    return found | None if is_optional else found


def _body_part(of: Any) -> Any:
    """Return what a value is in a body: a text, a day, one of several, an object, a list."""
    if get_origin(of) in _LISTS:
        return list[_body_part(get_args(of)[0])]  # type: ignore[misc]
    if is_dataclass(of):
        return _body_model(cast("Hashable", of))
    if isinstance(of, type) and issubclass(of, StrEnum):
        return Annotated[of, Said(strict=False)]  # JSON has no enums
    return _BY_TYPE.get(of, of)


def _view_type(hint: Any) -> Any:
    inner, is_optional = _without_none(hint)
    found = _view_part(inner)
    return found | None if is_optional else found


def _view_part(of: Any) -> Any:
    if get_origin(of) in _LISTS:
        return list[_view_part(get_args(of)[0])]  # type: ignore[misc]
    return _view_model(cast("Hashable", of)) if is_dataclass(of) else of


def _without_none(hint: Any) -> tuple[Any, bool]:
    inner = [one for one in get_args(hint) if one is not NoneType]
    is_optional = NoneType in get_args(hint) and len(inner) == 1
    return (inner[0], True) if is_optional else (hint, False)


@cache
def _body_model(of: Any) -> type[RequestBody]:
    names = [field.name for field in fields(of)]
    return _model(
        f"{of.__name__}Body", RequestBody, of.__doc__, _body_fields(of, names, notes_of(of))
    )


@cache
def _view_model(of: Any) -> type[BaseModel]:
    hints, notes = get_type_hints(of), notes_of(of)
    shown = {name: _said(_view_type(hint), notes[name].description) for name, hint in hints.items()}
    return create_model(
        f"{of.__name__}View",
        __config__=ConfigDict(from_attributes=True),
        __module__=__name__,
        __doc__=of.__doc__,
        **shown,
    )


def _plain(value: Any, hint: Any) -> Any:
    """Return a part of a body as the capability has it, whose hint this is."""
    of, _ = _without_none(hint)
    if isinstance(value, list):
        parts = [_plain(one, get_args(of)[0]) for one in value]
        return tuple(parts) if get_origin(of) is tuple else parts
    if isinstance(value, BaseModel):
        hints = _hints_of(of)
        return of(**{name: _plain(part, hints[name]) for name, part in value})
    return value


@cache
def _hints_of(of: Any) -> Mapping[str, Any]:
    return get_type_hints(of)
