"""How commands tell of the operations that others were made of, or gave back."""

from collections.abc import Sequence
from typing import Final

from perdure.operations.model import Operation, Status, TrailEntry

_ON_THE_TRAIL: Final = {
    "relaunch_of": "relaunch of",
    "relaunched_as": "relaunched as",
    "refund_of": "refund of",
    "refund": "refund",
}
"""The trail's data that name another operation."""


def chain_fields(operation: Operation) -> dict[str, object]:
    """Return the operations that one leads to, by what they are to it."""
    found = {
        "relaunch of": operation.relaunch_of,
        "relaunched as": _standing(operation.relaunched_as, operation.relaunch_status),
        "refund of": operation.refund_of,
        "refunded by": _standing(operation.refunded_by, operation.refund_status),
    }
    return {name: other for name, other in found.items() if other is not None}


def with_chains(
    columns: Sequence[str], rows: Sequence[Sequence[object]], operations: Sequence[Operation]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return a table with a column for what became of its operations, where that is to be told."""
    told = [
        ", ".join(f"{name} {other}" for name, other in chain_fields(operation).items()) or None
        for operation in operations
    ]
    if not any(told):
        return tuple(columns), [tuple(row) for row in rows]
    return (*columns, "SEE"), [(*row, chain) for row, chain in zip(rows, told, strict=True)]


def chain_of_entry(entry: TrailEntry) -> str:
    """Return the other operation that an entry of the trail names; empty where it names none."""
    data = entry.data or {}
    return ", ".join(
        f"{words} {data[name]}" for name, words in _ON_THE_TRAIL.items() if name in data
    )


def _standing(operation_id: str | None, status: Status | None) -> str | None:
    return f"{operation_id} ({status})" if operation_id and status else operation_id
