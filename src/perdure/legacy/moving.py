"""Moving what the old system holds to Perdure, also what it has half done."""

from collections.abc import Mapping
from dataclasses import replace

from perdure.legacy import queue
from perdure.legacy.way import LegacyWay
from perdure.operations import store
from perdure.operations.model import Operation
from perdure.storage.pool import Connection


async def move(
    connection: Connection,
    ways: Mapping[str, LegacyWay],
    part: str,
    *,
    actor: str,
    reason: str,
    limit: int,
) -> list[Operation]:
    """Take operations out of a part of the old system; Perdure carries them out now.

    Those that one of its runners has, or that it has begun and Perdure cannot go on with, are left
    to it.

    Returns them: what they need now is a workflow each.
    """
    adoptable = frozenset(kind for kind, way in ways.items() if way.adopt is not None)
    given = await queue.give_away(connection, part, adoptable=adoptable, limit=limit)
    for held in given:
        adopt = ways[held.operation.kind].adopt
        if adopt is not None:
            await adopt(connection, held)
        data = {"internal_status": held.internal_status, "has_begun": held.has_begun}
        await store.note(
            connection,
            held.operation,
            actor=actor,
            action="moved_from_legacy",
            reason=reason,
            data=data,
        )
    await connection.execute(
        "UPDATE operations SET lane = NULL, updated_at = now() WHERE id = ANY($1)",
        [held.operation.id for held in given],
    )
    return [replace(held.operation, lane=None) for held in given]
