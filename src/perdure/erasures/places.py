"""Where a customer may be named: the tables, how a customer's rows are found, what is looked at."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from perdure.capability.words import Words
from perdure.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class Place:
    """Some columns of a table.

    Args:
        found_by: The column that has the operation's id, or another.
        texts, objects: The columns in which somebody may be named, as text and as JSON.
        names: Columns with a text that no other row may have, of which the key keeps it apart.
    """

    table: str
    key: tuple[str, ...]
    found_by: str
    texts: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    async def rid_of(self, connection: Connection, words: Words, ids: Collection[str]) -> int:
        """Take words out of the rows of these; returns how many were changed."""
        columns = (*self.texts, *self.objects, *self.names)
        rows = await connection.fetch(
            f"SELECT {', '.join((*self.key, *columns))} FROM {self.table}"
            f" WHERE {self.found_by} = ANY($1)",
            list(ids),
        )
        count = 0
        for row in rows:
            changed = {
                name: value
                for name in columns
                if row[name] is not None and (value := words.without(row[name])) != row[name]
            }
            if changed:
                count += 1
                key = [row[name] for name in self.key]
                own = {name: f"{changed[name]} {key[0]}" for name in self.names if name in changed}
                await self._update(connection, key, changed | own)
        return count

    async def _update(self, connection: Connection, key: list[Any], values: dict[str, Any]) -> None:
        numbered = enumerate([*values, *self.key], 1)
        places = {name: f"{name} = ${number}" for number, name in numbered}
        await connection.execute(
            f"UPDATE {self.table} SET {', '.join(places[name] for name in values)}"
            f" WHERE {' AND '.join(places[name] for name in self.key)}",
            *values.values(),
            *key,
        )


OF_OPERATIONS: Final = (
    Place(
        "operations",
        ("id",),
        "id",
        objects=(
            *("input", "original_request", "result", "failure", "metadata"),
            *("cancel_request", "park_request", "refund_refusal"),
        ),
        names=("reference",),
    ),
    Place("effects", ("operation_id", "step"), "operation_id", objects=("result",)),
    Place("operation_steps", ("id",), "operation_id", objects=("error", "raised")),
    Place("operation_trail", ("id",), "operation_id", ("reason",), ("data",)),
    Place("provider_calls", ("operation_id", "step"), "operation_id", objects=("answer",)),
    Place("provider_callbacks", ("provider", "event_id"), "operation_id", objects=("event",)),
    Place(
        "legacy_operations", ("operation_id",), "operation_id", ("error",), ("done", "differing")
    ),
)

OF_ACCOUNTS: Final = (
    Place("ledger_accounts", ("id",), "id", ("name",)),
    Place("deposits", ("transfer_id",), "account_id", names=("reference",)),
    Place("statement_lines", ("id",), "account_id", ("description",)),
)

ERASING: Final = "SET LOCAL perdure.erasing = 'on'"
"""Lets a transaction take words out of the trail, which is only added to otherwise."""
