"""What a statement says, however it is written: one beginning, its lines, one end.

Readers yield these as they come to them, so that no file is held whole.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from perdure.core.errors import InvalidInput


class StatementFormat(StrEnum):
    """How a file is written."""

    CAMT053 = "camt053"
    MT940 = "mt940"
    BAI2 = "bai2"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A statement begins.

    Args:
        line: The line of the file that it begins in, counted from 1.
        account: The account, as the file names it.
        currency: Of the account; every line is in it.
        their_id: The bank's own name of the statement; None: it has none that is its own.
        sequence: Its number in the year, or ever; None: it has none.
        opening_minor: What was on the account before its lines; None: it does not say.
        opening_on: The day of that.
    """

    line: int
    account: str
    currency: str
    their_id: str | None = None
    sequence: int | None = None
    opening_minor: int | None = None
    opening_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of the bank's.

    Args:
        line: The line of the file that it begins in.
        amount_minor: Positive: money came in.
        references: What it may be known by, ours and theirs.
        their_id: The bank's own id of it.
    """

    line: int
    booked_on: date
    amount_minor: int
    currency: str
    references: tuple[str, ...] = ()
    their_id: str | None = None
    value_on: date | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A statement ends.

    Args:
        line: The line of the file that says so.
        closing_minor: What is on the account after its lines; None: it does not say.
        to_on: The last day it is about; None: that of its latest line.
    """

    line: int
    closing_minor: int | None = None
    to_on: date | None = None


Part: TypeAlias = Beginning | Line | End


def wrong(
    line: int | None, field: str, told: str, *, code: str = "invalid_statement"
) -> InvalidInput:
    """Return the refusal of a file that names where it is wrong."""
    where = f"Line {line}, {field}" if line is not None else field
    return InvalidInput(f"{where}: {told}", code=code, param=field)
