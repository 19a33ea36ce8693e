"""What a request's fields may be: each comes in as it is declared, and is shown as it came."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import ValidationError

from perdure.api.kind_schemas import KindSchemas
from perdure.api.validation_errors import explain
from perdure.capability.declaration import Capability
from perdure.core.notes import Note
from perdure.operations.correction import read_request
from perdure.operations.model import Operation, Side, Status
from perdure.operations.steps import to_json


class Cover(StrEnum):
    BASIC = "basic"
    FULL = "full"


@dataclass(frozen=True)
class Leg:
    amount_minor: int
    to: str
    on: date | None = None


@dataclass(frozen=True)
class TripRequest:
    customer_id: str
    cover: Cover
    begins_on: date
    by: Annotated[Literal["rail", "road"], Note("How one travels.")] = "rail"
    leaves_at: datetime | None = None
    days: tuple[date, ...] = ()
    notes: list[str] = field(default_factory=list)
    covers: tuple[Cover, ...] = (Cover.BASIC,)
    legs: tuple[Leg, ...] = ()
    first: Leg = field(default_factory=lambda: Leg(1, "Here"))
    reference: str | None = None


TRIPS = Capability(
    name="trip",
    plural="trips",
    id_prefix="trp",
    workflow="Trip",
    help="Trips.",
    request=TripRequest,
    wire="trips.wiring:wire",
    work="trips.wiring:work",
)
SCHEMAS = KindSchemas(TRIPS)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
LEAST: dict[str, Any] = {"customer_id": "cus_1", "cover": "full", "begins_on": "2030-01-31"}
ALL: dict[str, Any] = LEAST | {
    "by": "road",
    "leaves_at": "2030-01-31T12:00:00+01:00",
    "days": ["2030-02-01", "2030-02-02"],
    "notes": ["window", "quiet"],
    "covers": ["basic", "full"],
    "legs": [{"amount_minor": 5, "to": "There", "on": "2030-02-01"}],
    "first": {"amount_minor": 7, "to": "Home"},
}


def asked(body: dict[str, Any]) -> TripRequest:
    found: TripRequest = SCHEMAS.request_of(SCHEMAS.body.model_validate(body))
    return found


def test_each_type_comes_in_as_it_is_declared() -> None:
    assert asked(ALL) == TripRequest(
        "cus_1",
        Cover.FULL,
        date(2030, 1, 31),
        "road",
        datetime(2030, 1, 31, 11, tzinfo=UTC),
        (date(2030, 2, 1), date(2030, 2, 2)),
        ["window", "quiet"],
        (Cover.BASIC, Cover.FULL),
        (Leg(5, "There", date(2030, 2, 1)),),
        Leg(7, "Home"),
    )
    assert asked(LEAST) == TripRequest("cus_1", Cover.FULL, date(2030, 1, 31))


def test_a_row_is_read_again_and_shown_as_it_was_asked_for() -> None:
    request = asked(ALL)
    row = {"request": to_json(request)}
    assert read_request(TripRequest, row["request"]) == request
    operation = Operation(
        id="trp_1",
        kind="trip",
        status=Status.PENDING,
        customer_id="cus_1",
        reference=None,
        input=row,
        result=None,
        failure=None,
        metadata={},
        cancel_request=None,
        lane=None,
        workflow_started_at=None,
        created_at=NOW,
        updated_at=NOW,
        finished_at=None,
    )
    shown = SCHEMAS.show(operation, Side.HOUSE).model_dump(mode="json")
    as_utc = {"leaves_at": "2030-01-31T11:00:00Z", "first": ALL["first"] | {"on": None}}
    assert {name: shown[name] for name in ALL} == ALL | as_utc


@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        ({"cover": "wide"}, "cover", "'basic' or 'full'"),
        ({"by": "air"}, "by", "'rail' or 'road'"),
        ({"begins_on": "2030-02-30"}, "begins_on", "2030-01-31"),
        ({"begins_on": 1}, "begins_on", "as text"),
        ({"leaves_at": "2030-01-31"}, "leaves_at", "with its zone"),
        ({"notes": "window"}, "notes", "as a JSON list"),
        ({"notes": ["a\nb"]}, "notes.0", "U+000A"),
        ({"days": ["2030-02-01", "soon"]}, "days.1", "2030-01-31"),
        ({"covers": ["full", "x"]}, "covers.1", "'basic' or 'full'"),
        ({"legs": [{"amount_minor": "5", "to": "x"}]}, "legs.0.amount_minor", "whole number"),
        ({"legs": [{"to": "x"}]}, "legs.0.amount_minor", "required"),
        ({"first": {"amount_minor": 5, "to": "x", "via": "y"}}, "first.via", "There is no field"),
    ],
)
def test_what_is_wrong_names_its_field(changes: dict[str, Any], param: str, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        asked(LEAST | changes)
    told = explain([{**one, "loc": ("body", *one["loc"])} for one in wrong.value.errors()])
    assert (told.param, said in told.message) == (param, True), told


def test_the_description_says_what_each_takes() -> None:
    described = SCHEMAS.body.model_json_schema()
    fields, parts = described["properties"], described["$defs"]
    assert parts["Cover"]["enum"] == ["basic", "full"]
    assert fields["by"]["enum"] == ["rail", "road"]
    assert (fields["begins_on"]["type"], fields["begins_on"]["format"]) == ("string", "date")
    assert fields["leaves_at"]["anyOf"][0]["format"] == "date-time"
    assert fields["days"]["items"] == {"type": "string", "format": "date"}
    assert fields["legs"]["items"] == {"$ref": "#/$defs/LegBody"}
    assert fields["covers"]["default"] == ["basic"]
