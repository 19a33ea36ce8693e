"""What all requests and answers have in common."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from perdure.core.errors import InvalidInput
from perdure.core.numbers import INTEGER_MAX
from perdure.core.text import (
    TEXT_LENGTH_MAX,
    check_identifier,
    check_optional_text,
    check_text,
)
from perdure.core.times import read_date, read_moment
from perdure.operations.model import CancelRequest, Failure

PAGE_LIMIT_MAX: Final = 100
METADATA_NAME_LENGTH_MAX: Final = 40
METADATA_LENGTH_MAX: Final = 500


Value = TypeVar("Value")


def by_rule(rule: Callable[[str, str], Value]) -> Callable[[str], Value]:
    """Return one of `core`'s rules as pydantic has them; the field is named by `explain`."""

    def check(value: str) -> Value:
        try:
            return rule("", value)
        except InvalidInput as error:
            raise ValueError(error.message.removesuffix(".")) from None

    return check


def _string(length_min: int, length_max: int) -> WithJsonSchema:
    # Told in the schema; the rule is what checks it.
    return WithJsonSchema({"type": "string", "minLength": length_min, "maxLength": length_max})


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("give a time as text, with its zone: 2030-01-31T12:00:00Z")
    return by_rule(read_moment)(value)


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("give a day as text: 2030-01-31")
    return by_rule(read_date)(value)


def _metadata_name(param: str, value: str) -> str:
    return check_text(param, value, length_max=METADATA_NAME_LENGTH_MAX)


def _metadata_text(param: str, value: str) -> str:
    return check_optional_text(param, value, length_max=METADATA_LENGTH_MAX)


Text = Annotated[str, AfterValidator(by_rule(check_text)), _string(1, TEXT_LENGTH_MAX)]
OptionalText = Annotated[
    str, AfterValidator(by_rule(check_optional_text)), _string(0, TEXT_LENGTH_MAX)
]
CustomerId = Annotated[str, AfterValidator(by_rule(check_identifier)), _string(1, TEXT_LENGTH_MAX)]
Reference = Annotated[str, AfterValidator(by_rule(check_identifier)), _string(1, TEXT_LENGTH_MAX)]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Number = Annotated[int, Field(ge=0, le=INTEGER_MAX)]
"""A version, or a place in a list."""
Reason = Annotated[Text, Field(description="Why; it stays on the trail.")]
Deadline = Annotated[
    Moment,
    Field(
        description="It is cancelled, and undone, if it has not ended by then: a time in the"
        " future, with its zone, as 2030-01-31T12:00:00Z.",
    ),
]
AmountMinor = Annotated[
    int,
    Field(
        description="A whole number of the currency's minor units: 1250 is 12.50 USD.",
        json_schema_extra={"minimum": 1},
    ),
]
Currency = Annotated[Text, Field(description="ISO 4217 code, in capitals.", examples=["USD"])]
Metadata = Annotated[
    dict[
        Annotated[
            str, AfterValidator(by_rule(_metadata_name)), _string(1, METADATA_NAME_LENGTH_MAX)
        ],
        Annotated[str, AfterValidator(by_rule(_metadata_text)), _string(0, METADATA_LENGTH_MAX)],
    ],
    Field(max_length=50, description="Up to 50 texts of your own; given back, never looked at."),
]


class RequestBody(BaseModel):
    """A body: its fields are the ones named, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReasonBody(RequestBody):
    """An action that has to be accounted for."""

    reason: Reason


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=10, ge=1, le=PAGE_LIMIT_MAX)
    starting_after: Text | None = Field(
        default=None, description="The last id of the page before: answers the next, older ones."
    )


class TwoWayPageQuery(PageQuery):
    """Which page of a list that is read both ways."""

    ending_before: Text | None = Field(
        default=None, description="The first id of the page after: answers the newer ones."
    )

    def check(self) -> None:
        """Refuse two cursors at once.

        Raises:
            InvalidInput: `two_cursors`.
        """
        if self.starting_after is not None and self.ending_before is not None:
            raise InvalidInput(
                "Give starting_after or ending_before, not both.",
                code="two_cursors",
                param="ending_before",
            )


Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    model_config = ConfigDict(json_schema_extra={"description": "A page of a list."})

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool = Field(description="Whether there are more beyond this page, in its direction.")
    url: str


class WholeList(BaseModel, Generic[Item]):
    """A list that is short enough to be answered in one."""

    model_config = ConfigDict(json_schema_extra={"description": "A whole list."})

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: Literal[False] = False
    url: str


def page_of(
    rows: Sequence[Row],
    limit: int,
    show: Callable[[Row], Item],
    url: str,
    *,
    backwards: bool = False,
) -> Page[Item]:
    """Return a page from `limit + 1` rows: the one too many tells that there are more."""
    has_more = len(rows) > limit
    if has_more:
        rows = rows[1:] if backwards else rows[:-1]
    return Page(data=[show(row) for row in rows], has_more=has_more, url=url)


class FailureView(BaseModel):
    """Why an operation failed, was parked or is being undone."""

    code: str
    message: str
    step: str | None = Field(description="The step it failed at; null: none.")
    param: str | None

    @classmethod
    def of(cls, failure: Failure | None) -> "FailureView | None":
        """Show it, if there is one."""
        if failure is None:
            return None
        return cls(
            code=failure.code, message=failure.message, step=failure.step, param=failure.param
        )


class CancelRequestView(BaseModel):
    """Who asked for a stop, when and why."""

    actor: str
    reason: str | None = Field(description="Not told to a customer where the house asked.")
    requested_at: datetime = Field(description="When.")

    @classmethod
    def of(cls, request: CancelRequest | None) -> "CancelRequestView | None":
        """Show it, if there is one."""
        if request is None:
            return None
        return cls(
            actor=request.actor, reason=request.reason or None, requested_at=request.requested_at
        )


class ErrorDetail(BaseModel):
    """What went wrong."""

    type: str = Field(description="The kind of error, as its status has it.")
    code: str = Field(description="Stable: branch on this.")
    message: str = Field(description="For people; it may change.")
    param: str | None = Field(description="The field at fault, in dotted form.")
    request_id: str


class ErrorBody(BaseModel):
    """Every error's answer."""

    error: ErrorDetail = Field(description="The error.")
