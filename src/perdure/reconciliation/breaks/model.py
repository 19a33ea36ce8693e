"""A break: what does not fit between a statement and our books, until somebody has said what it is.

It is an operation that needs attention, and has no workflow before it is resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from perdure.core.errors import InvalidInput
from perdure.core.text import check_text
from perdure.reconciliation.matching.items import BreakClass, Proposal

EXCUSED_DAYS_MAX: Final = 365
_ITEMS_MAX: Final = 200


class How(StrEnum):
    """How a person resolves a break."""

    ACCEPT_TIMING = "accept_timing"
    """The two sides are only apart in time: it is waited for, or belongs together as it is."""
    MATCH = "match"
    """These belong together."""
    BOOK = "book"
    """Our books are wrong: what is missing is booked, against a named account."""
    WRITE_OFF = "write_off"
    """It is not worth the trouble: booked against what we write off."""
    SEND_BACK = "send_back"
    """Theirs is wrong: they are to mend it, which is waited for."""


SEEN: Final = "seen"
"""How a break is resolved that is gone by itself."""
DISMISSED: Final = "dismissed"
"""How one is that was cancelled: it is never looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A row of `reconciliation_breaks`.

    Args:
        amount_minor: What theirs comes to, less what ours does.
        line_ids: The lines it is about.
        transfer_ids: The entries of ours.
        told: What is wrong, in words.
        seen_on: The last day whose comparison found it.
        excused_until: Until when what it was about is waited for, now that it is resolved.
        closed_by: The reconciliation that found it gone.
    """

    id: str
    source: str
    account_id: str
    break_class: BreakClass
    amount_minor: int
    currency: str
    line_ids: Sequence[int]
    transfer_ids: Sequence[str]
    proposals: Sequence[Proposal]
    told: str
    found_on: date
    found_by: str
    seen_on: date
    seen_by: str
    ended_on: date | None = None
    resolution: str | None = None
    excused_until: date | None = None
    closed_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has resolved it, and it is not gone."""
        return self.ended_on is None

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What it is about: side and key of each item."""
        return [
            *(("e", key) for key in self.transfer_ids),
            *(("l", str(line_id)) for line_id in self.line_ids),
        ]

    def excuses(self, day: date) -> bool:
        """Whether what it was about is waited for on a day."""
        return self.excused_until is not None and day <= self.excused_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a person makes of a break.

    Args:
        account_id: Where the other half of what is booked goes; None: nothing is booked there.
        days: How long it is waited for.
        transfer_ids, line_ids: What belongs together; empty: all that the break is about.
    """

    how: How
    account_id: str | None = None
    days: int | None = None
    transfer_ids: tuple[str, ...] = ()
    line_ids: tuple[int, ...] = ()

    def as_patch(self) -> dict[str, Any]:
        """Return it as a correction of the break's request: all of it, in place of one before."""
        return {
            "how": self.how.value,
            "account_id": self.account_id,
            "days": self.days,
            "transfer_ids": list(self.transfer_ids),
            "line_ids": list(self.line_ids),
        }

    def check(self) -> None:
        """Refuse one that cannot be carried out.

        Raises:
            InvalidInput: Names the field.
        """
        if self.how is How.BOOK:
            check_text("account_id", self.account_id or "")
        elif self.account_id is not None:
            raise InvalidInput("Only what is booked has an account.", param="account_id")
        waits = self.how in (How.ACCEPT_TIMING, How.SEND_BACK)
        if self.days is not None and not (waits and 1 <= self.days <= EXCUSED_DAYS_MAX):
            raise InvalidInput(
                f"What is waited for has 1 to {EXCUSED_DAYS_MAX} days.", param="days"
            )
        if self.how is not How.MATCH and (self.transfer_ids or self.line_ids):
            raise InvalidInput("Only what is matched names its two sides.", param="line_ids")
        if len(self.transfer_ids) > _ITEMS_MAX or len(self.line_ids) > _ITEMS_MAX:
            raise InvalidInput(f"Name at most {_ITEMS_MAX} of a side.", param="line_ids")


def read_resolution(given: Any) -> Resolution:
    """Return a resolution from a request; one that a bulk gave may lack what it does not say.

    Raises:
        InvalidInput: It is none; names the field.
    """
    if not isinstance(given, dict):
        raise InvalidInput("Say how it is resolved.", param="resolution")
    try:
        how = How(given.get("how", ""))
    except ValueError:
        known = ", ".join(How)
        raise InvalidInput(f"Use one of {known}.", param="resolution.how") from None
    unknown = set(given) - {"how", "account_id", "days", "transfer_ids", "line_ids"}
    if unknown:
        raise InvalidInput("There is no such field.", param=f"resolution.{min(unknown)}")
    account_id, days = given.get("account_id"), given.get("days")
    entries, lines = given.get("transfer_ids") or [], given.get("line_ids") or []
    if account_id is not None and not isinstance(account_id, str):
        raise InvalidInput("Give an account's id.", param="resolution.account_id")
    if days is not None and (isinstance(days, bool) or not isinstance(days, int)):
        raise InvalidInput("Give a number of days.", param="resolution.days")
    if not (isinstance(entries, list) and all(isinstance(one, str) for one in entries)):
        raise InvalidInput("Give ids of transfers.", param="resolution.transfer_ids")
    if not (isinstance(lines, list) and all(type(one) is int for one in lines)):
        raise InvalidInput("Give ids of lines.", param="resolution.line_ids")
    found = Resolution(
        how=how,
        account_id=account_id,
        days=days,
        transfer_ids=tuple(dict.fromkeys(entries)),
        line_ids=tuple(dict.fromkeys(lines)),
    )
    found.check()
    return found
