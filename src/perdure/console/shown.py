"""Operations as the console shows them: what they move, and nothing of who somebody is.

What a kind shows follows from its declaration; no kind is named here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from perdure.capabilities import installed
from perdure.capability.declaration import Capability
from perdure.capability.words import Words
from perdure.core.money import MINOR_UNIT_DIGITS, format_amount
from perdure.core.notes import notes_of
from perdure.core.personal import emptied, names_in
from perdure.operations.model import Operation

HIDDEN: Final = "•••"
"""Stands for what is personal."""
_SHOWN_APART: Final = ("customer_id", "reference")
"""What every operation has, and a row of its own for."""


@dataclass(frozen=True)
class Shown:
    """An operation, and how it is shown."""

    operation: Operation

    @cached_property
    def kind(self) -> Capability | None:
        """What its kind says of itself; None: it is the house's own, or not installed."""
        return installed().get(self.operation.kind)

    @property
    def request(self) -> Mapping[str, Any]:
        """What was asked for, as it is stored."""
        found: Mapping[str, Any] = self.operation.input["request"]
        return found

    @property
    def money(self) -> str | None:
        """What it moves, for people; None: nothing, or it is not known yet."""
        amount_minor, currency = self.amount
        known = amount_minor is not None and currency in MINOR_UNIT_DIGITS
        return format_amount(amount_minor, currency) if known else None  # type: ignore[arg-type]

    @property
    def amount(self) -> tuple[int | None, str]:
        """What it moves, in minor units, and the currency."""
        name = self.kind.amount_field if self.kind else None
        if self.kind is None or name is None:
            return None, ""
        values = self.kind_values()
        found = values.get(name, self.request.get(name))
        currency = values.get("currency", self.request.get("currency", ""))
        return (found if isinstance(found, int) else None), str(currency or "")

    def kind_values(self) -> dict[str, Any]:
        """Return what its kind shows of it beside what was asked for."""
        if self.kind is None:
            return {}
        return {one.name: one.read(self.operation) for one in self.kind.shows}

    @cached_property
    def names(self) -> Words:
        """Takes out of texts what tells who somebody is."""
        if self.kind is None:
            return Words(())
        asked = [self.request, self.operation.original_request or {}]
        found = {name for one in asked for name in names_in(self.kind.request, one)}
        return Words(found, instead=HIDDEN)

    @cached_property
    def fields(self) -> list[tuple[str, Any, str]]:
        """What was asked for and what its kind shows: names, values without who somebody is, words.

        The words are the declaration's own.
        """
        if self.kind is None:
            return [(name, value, "") for name, value in self.request.items()]
        notes = notes_of(self.kind.request)
        hidden = _hidden(self.request, emptied(self.kind.request, self.request))
        asked = [
            (name, self.names.without(hidden[name]), notes[name].description)
            for name in notes
            if name in hidden and name not in _SHOWN_APART
        ]
        said = {one.name: one.description for one in self.kind.shows}
        given = [
            (name, self.names.without(_plain(value)), said[name])
            for name, value in self.kind_values().items()
        ]
        return asked + given


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date | datetime) else value


def _hidden(value: Any, empty: Any) -> Any:
    """Return a value in which what is emptied for somebody's sake is hidden."""
    if isinstance(value, Mapping) and isinstance(empty, Mapping):
        return {name: _hidden(part, empty.get(name)) for name, part in value.items()}
    if isinstance(value, list) and isinstance(empty, list) and len(value) == len(empty):
        return [_hidden(*both) for both in zip(value, empty, strict=True)]
    return value if value == empty else HIDDEN
