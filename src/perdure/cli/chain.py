"""How commands tell of the operations that others were made of, or gave back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_ON_THE_TRAIL: Final = {
    "relaunch_of": "relaunch of",
    "relaunched_as": "relaunched as",
    "refund_of": "refund of",
    "refund": "refund",
}
"""The trail's data that name another operation."""


def chain_fields(view: Mapping[str, Any]) -> dict[str, object]:
    """Return the operations that one leads to, by what they are to it."""
    found = {
        "relaunch of": view["relaunch_of"],
        "relaunched as": _standing(view["relaunched_as"], view["relaunch_status"]),
        "refund of": view.get("refund_of"),
        "refunded by": _standing(view["refunded_by"], view["refund_status"]),
    }
    return {name: other for name, other in found.items() if other is not None}


def with_chains(
    columns: Sequence[str], rows: Sequence[Sequence[object]], views: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return a table with a column for what became of its operations, where that is to be told."""
    told = [
        ", ".join(f"{name} {other}" for name, other in chain_fields(view).items()) or None
        for view in views
    ]
    if not any(told):
        return tuple(columns), [tuple(row) for row in rows]
    return (*columns, "SEE"), [(*row, chain) for row, chain in zip(rows, told, strict=True)]


def chain_of_entry(entry: Mapping[str, Any]) -> str:
    """Return the other operation that an entry of the trail names; empty where it names none."""
    data = entry["data"] or {}
    return ", ".join(
        f"{words} {data[name]}" for name, words in _ON_THE_TRAIL.items() if name in data
    )


def _standing(operation_id: str | None, status: str | None) -> str | None:
    return f"{operation_id} ({status})" if operation_id and status else operation_id
