"""The answers that the API keeps for a day, to give again: without a customer that was erased."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from perdure.capabilities import installed
from perdure.capability.words import Words
from perdure.core.notes import notes_of
from perdure.storage.pool import Connection


async def erase(connection: Connection, words: Words, customer_id: str) -> int:
    """Take who a customer is out of them; returns how many were changed.

    What another customer was answered stays, whomever it names.
    """
    rows = await connection.fetch(
        "SELECT owner, key, body FROM idempotency_keys WHERE position($1::bytea IN body) > 0",
        json.dumps(customer_id, ensure_ascii=False).encode(),
    )
    count = 0
    for row in rows:
        answer = json.loads(row["body"])
        without = _without(answer, words, customer_id)
        if without != answer:
            count += 1
            await connection.execute(
                "UPDATE idempotency_keys SET body = $3 WHERE owner = $1 AND key = $2",
                row["owner"],
                row["key"],
                json.dumps(without, ensure_ascii=False, separators=(",", ":")).encode(),
            )
    return count


@cache
def _free_texts() -> frozenset[str]:
    """Return the fields, of any kind, in which anything may stand."""
    return frozenset(
        name
        for kind in installed().values()
        for name, note in notes_of(kind.request).items()
        if note.free_text
    )


def _without(value: Any, words: Words, customer_id: str) -> Any:
    if isinstance(value, Mapping):
        if customer_id in (value.get(name) for name in value if name.endswith("customer_id")):
            return words.without(value) | {name: "" for name in _free_texts() if name in value}
        return {name: _without(part, words, customer_id) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(part, words, customer_id) for part in value]
    return value
