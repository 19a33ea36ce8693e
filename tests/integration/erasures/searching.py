"""Looks for texts everywhere: in each column of each table, and in all that Temporal keeps."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from perdure.storage.pool import Pool

_COLUMNS: Final = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND data_type IN ('text', 'jsonb', 'json', 'bytea', 'ARRAY', 'date')
"""


async def found_in_database(pool: Pool, texts: Iterable[str]) -> set[str]:
    """Return where any of these texts stands, in any case, as `table.column: text`."""
    found = set()
    for row in await pool.fetch(_COLUMNS):
        table, column = row["table_name"], row["column_name"]
        is_bytes = row["data_type"] == "bytea"
        value = f"encode({column}, 'escape')" if is_bytes else f"{column}::text"
        for text in texts:
            stands = f"position(lower($1) IN lower({value})) > 0"
            if await pool.fetchval(f"SELECT EXISTS (SELECT FROM {table} WHERE {stands})", text):
                found.add(f"{table}.{column}: {text}")
    return found


async def history_of(client: Client, workflow_id: str) -> list[Message]:
    """Return the events of a workflow, as Temporal keeps them."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return [*history.events]


def payloads_in(message: Message) -> Iterator[Payload]:
    """Yield the payloads of a message, however deep; those of search attributes are no secrets."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.name in ("search_attributes", "header"):
            continue
        for part in _messages(value):
            yield from payloads_in(part)


def _messages(value: Any) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif hasattr(value, "values"):
        yield from (part for part in value.values() if isinstance(part, Message))
    elif not isinstance(value, str | bytes | int | float):
        yield from (part for part in value if isinstance(part, Message))
