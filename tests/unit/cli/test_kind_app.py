"""A kind's commands come of what it declares."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from perdure import capabilities
from perdure.capability.declaration import Capability
from perdure.cli import kind_app
from perdure.cli.command_group import COMMANDS, OPERATIONS, CommandGroup
from perdure.cli.main import app as perdure
from perdure.cli.output import moment
from perdure.core.notes import Note
from perdure.notifications.contracts import Party
from perdure.onboarding.capability import ONBOARDINGS
from perdure.payments.capability import PAYMENTS


@dataclass(frozen=True)
class CardRequest:
    customer_id: Annotated[str, Note(option="customer", help="Who pays.")]
    amount_minor: int
    currency: Annotated[str, Note(option_default="USD")]
    shop: Annotated[str, Note("Where it is spent.", in_summary=True)]
    weeks: Annotated[int, Note(default=4)]
    tags: list[str] = field(default_factory=list)
    is_gift: bool = False
    holder: Annotated[Party, Note("Who gets it.")] = field(default_factory=Party)
    reference: str | None = None


CARDS = Capability(
    name="card",
    plural="cards",
    id_prefix="crd",
    workflow="Card",
    help="Cards.",
    request=CardRequest,
    wire="cards.wiring:wire",
    work="cards.wiring:work",
)


class Recorded:
    """An API that takes what it is asked."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []

    def post(self, path: str, body: Any) -> dict[str, Any]:
        self.posted.append((path, body))
        return {"id": "crd_1"}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    api = Recorded()
    monkeypatch.setattr(kind_app, "open_api", lambda: api)
    return api


NEEDED = ("--customer", "cus_1", "--amount-minor", "1250", "--shop", "books")


def test_the_request_s_fields_are_the_options(api: Recorded) -> None:
    more = (
        *(
            "--tags",
            "a",
            "--tags",
            "b",
            "--is-gift",
            "--holder-email",
            "ada@example.com",
            "--weeks",
            "2",
        ),
        *("--weeks", "2", "--deadline", "2030-01-31T12:00:00Z"),
    )
    app = kind_app.kind_app(CARDS)
    for given in (NEEDED, (*NEEDED, *more)):
        done = CliRunner().invoke(app, ["create", *given, "-o", "json"])
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"id": "crd_1"}), done.output
    least = {
        "customer_id": "cus_1",
        "amount_minor": 1250,
        "currency": "USD",
        "shop": "books",
        "weeks": 4,
    }
    assert api.posted == [
        ("/v1/cards", least),
        (
            "/v1/cards",
            least
            | {
                "tags": ["a", "b"],
                "is_gift": True,
                "holder": {"email": "ada@example.com"},
                "weeks": 2,
                "deadline": "2030-01-31T12:00:00+00:00",
            },
        ),
    ]


@pytest.mark.parametrize("missing", ["--customer", "--amount-minor", "--shop"])
def test_what_has_no_default_is_asked_for(api: Recorded, missing: str) -> None:
    at = NEEDED.index(missing)
    done = CliRunner().invoke(kind_app.kind_app(CARDS), ["create", *NEEDED[:at], *NEEDED[at + 2 :]])
    assert (done.exit_code, api.posted) == (2, [])
    assert missing in done.output


ONBOARDED: dict[str, Any] = {
    "id": "onb_01h455vb4pex5vsknk084sn02q",
    "status": "waiting",
    "customer_id": "cus_1",
    "currencies": ["USD"],
    "reference": None,
    "failure": None,
    "gear": "own_workflow",
    "created_at": "2026-11-28T09:00:00+00:00",
    "finished_at": None,
    **dict.fromkeys(("relaunch_of", "relaunched_as", "relaunch_status")),
    **dict.fromkeys(("refunded_by", "refund_status")),
    **dict.fromkeys((one.name for one in ONBOARDINGS.shows), None),
    "identity_status": "in_review",
    "bank_link_expires_at": "2026-11-28T12:00:00+00:00",
}


def test_what_came_of_it_is_shown_and_no_amount_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Answering:
        def get(self, _path: str) -> dict[str, Any]:
            return ONBOARDED

        def list(self, _path: str, **_query: object) -> tuple[list[Any], bool]:
            return [ONBOARDED], False

    monkeypatch.setattr(kind_app, "open_api", Answering)
    app = kind_app.kind_app(ONBOARDINGS)
    shown, listed = (
        CliRunner().invoke(app, words).output for words in (["get", ONBOARDED["id"]], ["list"])
    )
    assert "identity status       in_review" in shown
    assert moment(datetime.fromisoformat("2026-11-28T12:00:00+00:00")) in shown
    assert not re.search("^(amount|account) {2}", shown, re.MULTILINE)
    assert "IDENTITY STATUS" in listed
    assert "in_review" in listed
    assert "AMOUNT" not in listed


def test_only_what_can_be_refunded_has_a_refund() -> None:
    for kind, has_one in ((CARDS, False), (PAYMENTS, True)):
        group = typer.main.get_command(kind_app.kind_app(kind))
        assert ("refund" in group.commands) is has_one  # type: ignore[attr-defined]


KINDS = ["payments", "transfers", "renewals", "bank-syncs", "onboardings"]


def test_commands_are_listed_as_they_call_themselves() -> None:
    group = typer.main.get_command(perdure)
    assert isinstance(group, CommandGroup)
    for panel, commands in COMMANDS.items():
        for name, listed in commands.items():
            command = group.commands[name]
            assert vars(command)["rich_help_panel"] == panel
            own = " ".join((command.help or "").split("\n\n")[0].split())
            assert own == listed.help, name
    kinds = list(group.commands)[:6]
    assert kinds == [*KINDS, "domains"]
    assert vars(group.commands["domains"])["rich_help_panel"] == OPERATIONS
    assert group.commands.get("refunds") is None


def test_a_kind_of_a_package_has_its_commands_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        return [EntryPoint("cards", f"{__name__}:CARDS", group)]

    monkeypatch.setattr(capabilities, "entry_points", entry_points)
    monkeypatch.setenv(capabilities.ALLOWED, '["cards"]')
    group = CommandGroup(name="perdure")
    kinds = [*KINDS, "cards"]
    assert list(group.commands)[: len(kinds)] == kinds
    cards = group.commands["cards"]
    assert isinstance(cards, TyperGroup)
    assert (cards.help, "create" in cards.commands) == ("Cards.", True)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Strip:
    width_minor: int
    until: date | None = None


@dataclass(frozen=True)
class BoxRequest:
    customer_id: str
    size: Size
    begins_on: date
    by: Literal["rail", "road"] = "rail"
    leaves_at: datetime | None = None
    days: tuple[date, ...] = ()
    sizes: tuple[Size, ...] = ()
    numbers: tuple[int, ...] = ()
    strip: Strip | None = None
    strips: tuple[Strip, ...] = ()


BOXES = replace(CARDS, name="box", plural="boxes", request=BoxRequest)
A_BOX = ("--customer-id", "cus_1", "--size", "large", "--begins-on", "2030-01-31")


def test_each_type_has_an_option_that_reads_it(api: Recorded) -> None:
    app = kind_app.kind_app(BOXES)
    more = (
        *("--by", "road", "--leaves-at", "2030-01-31T12:00:00+01:00"),
        *("--days", "2030-02-01", "--days", "2030-02-02", "--sizes", "small"),
        *("--numbers", "1", "--numbers", "2", "--strip-width-minor", "5"),
        *("--strip-until", "2030-02-03", "--strips", '[{"width_minor": 1}]'),
    )
    for given in (A_BOX, (*A_BOX, *more)):
        done = CliRunner().invoke(app, ["create", *given, "-o", "json"])
        assert done.exit_code == 0, done.output
    least = {"customer_id": "cus_1", "size": "large", "begins_on": "2030-01-31"}
    assert [json.loads(json.dumps(body)) for _, body in api.posted] == [
        least,
        least
        | {
            "by": "road",
            "leaves_at": "2030-01-31T11:00:00+00:00",
            "days": ["2030-02-01", "2030-02-02"],
            "sizes": ["small"],
            "numbers": [1, 2],
            "strip": {"width_minor": 5, "until": "2030-02-03"},
            "strips": [{"width_minor": 1}],
        },
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--size", "huge"), ("--by", "air"), ("--begins-on", "2030-02-30"), ("--days", "soon")],
)
def test_a_value_that_is_none_names_its_option(api: Recorded, option: str, value: str) -> None:
    done = CliRunner().invoke(kind_app.kind_app(BOXES), ["create", *A_BOX, option, value])
    assert done.exit_code != 0
    told = done.output + str(getattr(done.exception, "param", ""))
    assert option.removeprefix("--").replace("-", "_") in told.replace("-", "_")
    assert api.posted == []
