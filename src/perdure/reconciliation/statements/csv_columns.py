"""Which column of a bank's CSV is what: kept with the account, as each bank has its own."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_text

_COLUMNS_MAX: Final = 20
_ONE_OF_TWO: Final = "Give the column of the amount, or those of debits and of credits."


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumns:
    """How one bank writes CSV; columns are named as its header names them.

    Args:
        booked_on: The column of the day of booking.
        amount: That of the amount with its sign; None: it has `debit` and `credit`.
        debit, credit: Those of what went out and what came in, each without a sign.
        side: Beside `amount`: the column that says which way it went.
        credits: What that says of what came in.
        value_on, currency, id, balance: Columns of the same names.
        references: Those of what an entry may be known by.
        description: Those of what is said of it.
        delimiter: What stands between two fields.
        decimal: What stands before the fraction; the other of `.` and `,` stands between thousands.
        date_format: As `strptime` has it.
        skip_lines: How many lines stand before the header.
        negate: Amounts are the bank's own view: what we have is negative.
    """

    booked_on: str
    amount: str | None = None
    debit: str | None = None
    credit: str | None = None
    side: str | None = None
    credits: tuple[str, ...] = ("C", "CR", "CRDT", "H", "+")
    value_on: str | None = None
    currency: str | None = None
    id: str | None = None
    balance: str | None = None
    references: tuple[str, ...] = ()
    description: tuple[str, ...] = ()
    delimiter: str = ","
    decimal: str = "."
    date_format: str = "%Y-%m-%d"
    skip_lines: int = 0
    negate: bool = False

    def check(self) -> None:
        """Refuse a mapping that reads nothing.

        Raises:
            InvalidInput: Names the field.
        """
        if (self.amount is None) == (self.debit is None or self.credit is None):
            raise InvalidInput(_ONE_OF_TWO, param="columns.amount")
        if self.delimiter not in (",", ";", "\t", "|"):
            raise InvalidInput("Use a comma, ;, a tab or |.", param="columns.delimiter")
        if self.decimal not in (".", ","):
            raise InvalidInput("Use . or a comma.", param="columns.decimal")
        if not 0 <= self.skip_lines <= 100:
            raise InvalidInput("Skip 0 to 100 lines.", param="columns.skip_lines")
        if len(self.references) > _COLUMNS_MAX or len(self.description) > _COLUMNS_MAX:
            raise InvalidInput(f"Name at most {_COLUMNS_MAX} columns.", param="columns")
        for name in self.names:
            check_text("columns", name)
        try:
            told = date(2031, 12, 30).strftime(self.date_format)
            is_whole = datetime.strptime(told, self.date_format).date() == date(2031, 12, 30)  # noqa: DTZ007
        except ValueError:
            is_whole = False
        if not is_whole:
            raise InvalidInput(
                "Give day, month and year, as %d.%m.%Y.", param="columns.date_format"
            )

    @property
    def names(self) -> list[str]:
        """The columns that have to be there."""
        single = (
            *(self.booked_on, self.amount, self.debit, self.credit, self.side, self.value_on),
            *(self.currency, self.id, self.balance),
        )
        return [*(name for name in single if name is not None), *self.references, *self.description]
