"""Taking out of rows what tells who somebody is: the fields that are noted as personal."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from perdure.capabilities import installed
from perdure.capability.words import Words
from perdure.core.personal import emptied, names_in
from perdure.operations.model import Operation
from perdure.storage.pool import Connection

_SIDES: Final = ("before", "after")
"""Of what was corrected, as the trail has it."""


def names_of(operation: Operation, fields: Collection[str] | None = None) -> set[str]:
    """Return the texts of what was asked for that tell who somebody is.

    Args:
        fields: Those of the request that are looked at; None: all.
    """
    of = installed()[operation.kind].request
    asked = [operation.input["request"], operation.original_request or {}]
    return {name for request in asked for name in names_in(of, _only(request, fields))}


async def corrected_names(
    connection: Connection, operation: Operation, fields: Collection[str] | None = None
) -> set[str]:
    """Return those that were corrected since; as `names_of`."""
    of = installed()[operation.kind].request
    return {
        name
        for _, data in await _corrections(connection, operation)
        for side in _SIDES
        for name in names_in(of, _only(data[side], fields))
    }


async def empty(
    connection: Connection, operation: Operation, fields: Collection[str] | None = None
) -> None:
    """Empty an operation's personal fields, in its corrections too.

    Args:
        fields: Those of the request that are this customer's; None: all.
    """
    of = installed()[operation.kind].request

    def without(request: Mapping[str, Any]) -> dict[str, Any]:
        return dict(request) | emptied(of, _only(request, fields))

    original = operation.original_request
    await connection.execute(
        "UPDATE operations SET input = $2, original_request = $3 WHERE id = $1",
        operation.id,
        operation.input | {"request": without(operation.input["request"])},
        without(original) if original is not None else None,
    )
    for entry_id, data in await _corrections(connection, operation):
        await connection.execute(
            "UPDATE operation_trail SET data = $2 WHERE id = $1",
            entry_id,
            data | {side: without(data[side]) for side in _SIDES},
        )


def _only(request: Mapping[str, Any], fields: Collection[str] | None) -> Mapping[str, Any]:
    if fields is None:
        return request
    return {name: value for name, value in request.items() if name in fields}


async def _corrections(
    connection: Connection, operation: Operation
) -> list[tuple[int, dict[str, Any]]]:
    rows = await connection.fetch(
        "SELECT id, data FROM operation_trail WHERE operation_id = $1 AND action = 'corrected'",
        operation.id,
    )
    return [(row["id"], row["data"]) for row in rows]


async def forget(
    connection: Connection, operation_ids: Sequence[str], audiences: Sequence[str] | None = None
) -> None:
    """Delete messages, and the digests of what steps were asked."""
    await connection.execute(
        "DELETE FROM notifications WHERE operation_id = ANY($1)"
        " AND ($2::text[] IS NULL OR audience = ANY($2))",
        operation_ids,
        audiences,
    )
    await connection.execute(
        "UPDATE effects SET fingerprint = NULL WHERE operation_id = ANY($1)", operation_ids
    )


async def rid_of_bulks(connection: Connection, words: Words, ids: Sequence[str]) -> int:
    """Take words out of what bulks were told of these operations."""
    rows = await connection.fetch(
        "SELECT bulk_id, number, message FROM bulks JOIN bulk_items ON bulk_id = bulks.id"
        " WHERE operation_id = ANY($1) AND message IS NOT NULL",
        ids,
    )
    found = [row for row in rows if words.without(row["message"]) != row["message"]]
    for row in found:
        await connection.execute(
            "UPDATE bulk_items SET message = $3 WHERE bulk_id = $1 AND number = $2",
            row["bulk_id"],
            row["number"],
            words.without(row["message"]),
        )
    return len(found)
