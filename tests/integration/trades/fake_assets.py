"""The asset service in memory, with its faults drawn by hand."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from perdure.core.errors import (
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.trades.services.assets import Reservation

Fault = Literal["declined", "unavailable", "cut_before", "cut_after"]

_ERRORS: dict[Fault, PerdureError] = {
    "declined": ProviderDeclined("It has none.", code="insufficient_holding"),
    "unavailable": ProviderUnavailable("Nobody is there."),
    "cut_before": ProviderOutcomeUnknown("It was cut."),
    "cut_after": ProviderOutcomeUnknown("It was cut."),
}


@dataclass
class FakeAssets:
    """Has of every asset as much as is asked for, but for its faults: one for each `reserve`.

    Attributes:
        is_heard: What it answers to `reduce` arrives.
        lies: What it tells otherwise of what is reserved.
    """

    faults: list[Fault] = field(default_factory=list)
    is_heard: bool = True
    kept: dict[str, Reservation] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lies: dict[str, Any] = field(default_factory=dict)

    async def reserve(
        self, *, reference: str, owner: str, asset: str, quantity_lots: int
    ) -> Reservation:
        self.calls.append("reserve")
        fault = self.faults.pop(0) if self.faults else None
        if fault in ("declined", "unavailable", "cut_before"):
            raise _ERRORS[fault]
        if reference in self.kept:
            raise ProviderDeclined("It is over.", code="reservation_ended")
        made = Reservation(f"rsv_{reference}", reference, owner, asset, quantity_lots, 0, 0)
        self.kept[reference] = made
        if fault == "cut_after":
            raise _ERRORS[fault]
        return replace(made, **self.lies)

    async def reduce(self, *, reference: str, to_quantity_lots: int, version: int) -> Reservation:
        self.calls.append("reduce")
        found = self.kept.get(reference, Reservation("", reference, "", "", 0, 0, 0))
        if version > found.version:
            found = replace(found, quantity_lots=to_quantity_lots, version=version)
        self.kept[reference] = found
        if not self.is_heard:
            raise _ERRORS["cut_after"]
        return found

    async def find_reservation(self, reference: str) -> Reservation | None:
        self.calls.append("find")
        found = self.kept.get(reference)
        return found and replace(found, **self.lies)
