"""What is asked for and shown of statements."""

import base64
import binascii
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from perdure.api.schemas import Currency, Day, PageQuery, RequestBody, Text
from perdure.core.numbers import INTEGER_MAX
from perdure.reconciliation.statements.accounts import StatementAccount
from perdure.reconciliation.statements.csv_columns import CsvColumns
from perdure.reconciliation.statements.model import StatementFormat
from perdure.reconciliation.statements.store import LoadedLine, Statement
from perdure.reconciliation.statements.uploads import PARTS_MAX


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("give the file's bytes in base64") from None
    return text


Content = Annotated[
    str,
    AfterValidator(_base64),
    WithJsonSchema({"type": "string", "format": "byte", "examples": ["OjIwOlNUQVJU"]}),
]
_CONTENT = "The file's bytes, in base64."


class PartBody(RequestBody):
    """A part of a file."""

    number: int = Field(ge=1, le=PARTS_MAX, description="Its place, counted from 1.")
    content: Content = Field(description=_CONTENT)
    upload_id: Text | None = Field(default=None, description="Null: with it an upload begins.")


class PartView(BaseModel):
    """A part that is kept."""

    object: Literal["upload_part"] = "upload_part"
    upload_id: str = Field(description="What the other parts, and loading them, name.")
    number: int = Field(description="Its place.")


class StatementFileBody(RequestBody):
    """A file of statements to be loaded."""

    file_name: Text = Field(description="What people call it.")
    content: Content | None = Field(default=None, description=_CONTENT + " Null: it was uploaded.")
    upload_id: Text | None = Field(default=None, description="The upload that has it.")
    source: Text | None = Field(
        default=None, description="Whose account it is, where the file does not say: CSV."
    )
    format: Annotated[StatementFormat, Field(strict=False)] | None = Field(
        default=None, description="How it is written; null: as it begins."
    )
    allow_gap: bool = Field(
        default=False, description="Statements between the last one and this one are not to come."
    )


class StatementView(BaseModel):
    """A statement that is loaded."""

    object: Literal["statement"] = "statement"
    id: str
    source: str = Field(description="Whose account it is, as the bank names it.")
    account_id: str
    currency: str
    format: StatementFormat = Field(description="How its file was written.")
    their_id: str | None = Field(description="The bank's own name of it.")
    sequence: int | None = Field(description="Its number.")
    opening_minor: int | None = Field(description="What was on the account before.")
    closing_minor: int | None = Field(description="What was on it in the end.")
    from_on: date = Field(description="Its first day.")
    to_on: date = Field(description="Its last day.")
    lines: int = Field(description="How many entries it has.")
    file_name: str = Field(description="The file that it came in.")

    @classmethod
    def of(cls, statement: Statement) -> "StatementView":
        """Show one."""
        told = asdict(statement)
        return cls(**{name: told[name] for name in cls.model_fields if name in told})


class StatementsView(BaseModel):
    """The statements of a file."""

    object: Literal["list"] = "list"
    data: list[StatementView]


class StatementLineView(BaseModel):
    """An entry of the bank's."""

    object: Literal["statement_line"] = "statement_line"
    id: int
    line: int = Field(description="The line of the file that it begins in.")
    booked_on: date = Field(description="The day it was booked.")
    value_on: date | None = Field(description="The day from which it counts.")
    amount_minor: int = Field(description="Positive: money came in.")
    currency: str
    references: list[str] = Field(description="What it may be known by.")
    their_id: str | None = Field(description="The bank's own id of it.")
    description: str
    matched_by: str | None = Field(description="What matched it; null: it is open.")
    matched_on: date | None = Field(description="The day that was compared when it was.")
    match_id: int | None = Field(description="What belongs together has the same.")

    @classmethod
    def of(cls, line: LoadedLine) -> "StatementLineView":
        """Show one."""
        return cls(**asdict(line))


class CsvColumnsBody(RequestBody):
    """How one bank writes CSV; columns are named as its header names them."""

    booked_on: Text = Field(description="The column of the day of booking.")
    amount: Text | None = Field(default=None, description="Of the amount with its sign.")
    debit: Text | None = Field(default=None, description="Of what went out, in its place.")
    credit: Text | None = Field(default=None, description="Of what came in.")
    side: Text | None = Field(default=None, description="Of what says which way it went.")
    credits: list[Text] = Field(
        default=list(CsvColumns(booked_on="").credits),
        description="What that column says of what came in.",
    )
    value_on: Text | None = Field(default=None, description="Of the day from which it counts.")
    currency: Text | None = Field(default=None, description="Of the currency.")
    id: Text | None = Field(default=None, description="Of the bank's own id.")
    balance: Text | None = Field(
        default=None, description="Of the balance after it, which is then checked."
    )
    references: list[Text] = Field(default=[], description="Of what it may be known by.")
    description: list[Text] = Field(default=[], description="Of what is said of it.")
    delimiter: str = Field(default=",", description="What stands between two fields.")
    decimal: str = Field(default=".", description="What stands before the fraction.")
    date_format: Text = Field(default="%Y-%m-%d", description="As `strptime` has it.")
    skip_lines: int = Field(default=0, description="Lines before the header.")
    negate: bool = Field(default=False, description="What we have is negative there.")

    def columns(self) -> CsvColumns:
        """Return it as it is kept."""
        given: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one
            for name, one in self.model_dump().items()
        }
        return CsvColumns(**given)


class StatementAccountBody(RequestBody):
    """What is to be known of an account outside."""

    account_id: Text = Field(description="Our account that it has to agree with.")
    currency: Currency
    since: Day = Field(description="The first day that is compared.")
    encoding: Text = Field(
        default="utf-8", description="Of files that do not say: `utf-8`, `latin-1`, `cp1252`."
    )
    columns: CsvColumnsBody | None = Field(default=None, description="How its CSV is written.")
    timing_days: int = Field(
        default=2, ge=0, le=30, description="How far apart the two sides may be."
    )
    tolerance_minor: int = Field(
        default=0, ge=0, le=INTEGER_MAX, description="How far apart two amounts may be."
    )

    def account(self, source: str) -> StatementAccount:
        """Return it as it is kept."""
        return StatementAccount(
            source=source,
            account_id=self.account_id,
            currency=self.currency,
            since=self.since,
            encoding=self.encoding,
            columns=self.columns.columns() if self.columns else None,
            timing_days=self.timing_days,
            tolerance_minor=self.tolerance_minor,
        )


class StatementAccountView(BaseModel):
    """An account outside."""

    model_config = ConfigDict(from_attributes=True)

    object: Literal["statement_account"] = "statement_account"
    source: str = Field(description="As statements name it.")
    account_id: str
    currency: str
    since: date = Field(description="The first day that is compared.")
    encoding: str = Field(description="Of files that do not say.")
    columns: dict[str, Any] | None = Field(description="How its CSV is written.")
    timing_days: int = Field(description="How far apart the two sides may be.")
    tolerance_minor: int = Field(description="How far apart two amounts may be.")
    updated_by: str = Field(description="Who said so last.")
    updated_at: datetime | None

    @classmethod
    def of(cls, account: StatementAccount) -> "StatementAccountView":
        """Show one."""
        return cls(**asdict(account))


class StatementsQuery(PageQuery):
    """Which statements."""

    source: Text | None = Field(default=None, description="Only of this account.")


class StatementLinesQuery(BaseModel):
    """Which page of a statement's lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=100)
    starting_after: int = Field(default=0, ge=0, description="The last id of the page before.")
