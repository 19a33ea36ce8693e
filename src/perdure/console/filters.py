"""What a list is about, as its address says it: all of the state of a page is there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from perdure.core.clock import utc_now
from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_optional_text
from perdure.core.times import read_date, read_moment
from perdure.operations.bulk.model import BulkQuery
from perdure.operations.bulk.selection import check_query
from perdure.operations.model import Status
from perdure.operations.searching import Search

CURSORS: Final = ("starting_after", "ending_before")
_MOMENTS: Final = ("created_after", "created_before", "updated_after", "updated_before")
_TEXTS: Final = ("kind", "customer_id", "failure_code", "failure_step", "provider")
FIELDS: Final = ("status", *_TEXTS, "reference", "metadata", *_MOMENTS)
IN_FLIGHT: Final = "in_flight"
"""Stands where a status does: whatever has not ended."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A filter that has a name."""

    name: str
    fields: Mapping[str, str]

    def is_chosen(self, given: Mapping[str, str]) -> bool:
        """Whether an address says this and nothing more."""
        return {name: value for name, value in given.items() if name in FIELDS} == self.fields


def presets() -> list[Preset]:
    """Return the filters that have a name, as they are today."""
    return [
        Preset("All", {}),
        Preset("In flight", {"status": IN_FLIGHT}),
        Preset("Needs attention", {"status": Status.NEEDS_ATTENTION.value}),
        Preset("Waiting", {"status": Status.WAITING.value}),
        Preset("Unknown", {"status": Status.UNKNOWN.value}),
        # By when it ended: what began yesterday and failed today is of today.
        Preset("Failed today", {"status": Status.FAILED.value, "updated_after": "today"}),
    ]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is about.

    Args:
        given: As the address has it, for a form to show again.
        wrong: What makes no sense, and why, by its name.
    """

    given: Mapping[str, str]
    search: Search
    wrong: dict[str, str]

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Filters":
        """Read what an address says; what is wrong of it is told, and filters nothing."""
        given = {name: text for name in FIELDS if (text := given.get(name, "").strip())}
        wrong: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name, text in given.items():
            try:
                values[name] = _read(name, text)
            except InvalidInput as error:
                wrong[name] = error.message
        is_open = values.get("status") == IN_FLIGHT
        if is_open:
            del values["status"]
        reference = values.pop("reference", None)
        query = BulkQuery(**values)
        try:
            query = check_query(replace(query, kind=None))
        except InvalidInput as error:
            wrong[error.param or "filter"] = error.message
        query = replace(query, kind=values.get("kind"))
        return cls(given, Search(query, reference, in_flight=is_open), wrong)

    def address(self, path: str, **changes: str | None) -> str:
        """Return the address of a page that is about the same, but for what changes."""
        fields = {name: text for name, text in ({**self.given, **changes}).items() if text}
        return f"{path}?{urlencode(fields)}" if fields else path

    def without(self, path: str, name: str) -> str:
        """Return the address of a page that is about the same, whatever this field is."""
        return self.address(path, **{name: None})


def _read(name: str, text: str) -> Any:
    if name == "status":
        return text if text == IN_FLIGHT else _status(text)
    if name in _MOMENTS:
        return read_time(name, text)
    if name == "metadata":
        return _metadata(text)
    if name in ("reference", "customer_id"):
        return check_identifier(name, text)
    return check_optional_text(name, text)


def _status(text: str) -> Status:
    if text not in set(Status):
        raise InvalidInput(f"There is no status {text!r}; there are {', '.join(Status)}.")
    return Status(text)


def _metadata(text: str) -> dict[str, str]:
    name, sign, value = text.partition("=")
    if not (name.strip() and sign):
        raise InvalidInput("Write the name and the text: order=A-17.")
    check_optional_text("metadata", text)
    return {name.strip(): value.strip()}


def read_time(name: str, text: str) -> datetime:
    """Return a time: `today`, so long ago (`15m`, `24h`, `7d`), a day, or a moment; in UTC.

    Raises:
        InvalidInput: It is none of them.
    """
    now = utc_now()
    if text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    units = {"m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if unit in units and number.isascii() and number.isdecimal() and len(number) <= 4:
        return now - timedelta(**{units[unit]: int(number)})
    try:
        if len(text) == len("2030-01-31"):
            day = read_date(name, text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        return read_moment(name, text if _has_zone(text) else f"{text}Z")
    except InvalidInput:
        raise InvalidInput(
            "Write a day (2030-01-31), a time (2030-01-31T12:00:00Z), today, or how long ago"
            " (15m, 24h, 7d)."
        ) from None


def _has_zone(text: str) -> bool:
    return text.endswith(("Z", "z")) or text[-6:-5] in ("+", "-")
