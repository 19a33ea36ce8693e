"""Flags in PostgreSQL, and the record of every change to them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from perdure.core.errors import Conflict, NotFound
from perdure.core.text import check_text
from perdure.flags.model import Attributes, Flag, FlagChange, Rule
from perdure.flags.rules import check_flag, nearest, normal_rule
from perdure.storage.pool import Connection, Pool, transaction

_COLUMNS = "key, enabled, variants, default_variant, rules, version"


class FlagStore:
    """Reads and changes flags.

    Args:
        attributes: What rules may name.
    """

    def __init__(self, pool: Pool, attributes: Attributes) -> None:
        self._pool = pool
        self._attributes = attributes

    async def list_flags(self) -> list[Flag]:
        """Return all flags, by their keys."""
        rows = await self._pool.fetch(f"SELECT {_COLUMNS} FROM flags ORDER BY key")
        return [self._flag(row) for row in rows]

    async def get(self, key: str) -> Flag:
        """Return a flag.

        Raises:
            NotFound: `flag_not_found`; suggests the one nearest in name.
        """
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM flags WHERE key = $1", key)
        if row is None:
            raise _not_found(key, [flag.key for flag in await self.list_flags()])
        return self._flag(row)

    async def put(self, flag: Flag, *, actor: str, reason: str) -> Flag:
        """Store a flag, and who changed it and why; a change that is none adds nothing.

        Args:
            flag: Its version is the one it was read at; 0: it is new.

        Raises:
            InvalidInput: It makes no sense, or there is no reason.
            NotFound: `flag_not_found`: it is not new, and there is none.
            Conflict: `flag_changed`: somebody changed it since it was read.
        """
        check_text("reason", reason)
        attributes = self._attributes.of(flag.key)
        check_flag(flag, attributes)
        wanted = replace(flag, rules=tuple(normal_rule(one, attributes) for one in flag.rules))
        async with transaction(self._pool) as connection:
            stored = await self._lock(connection, flag.key)
            if stored is not None and stored.content == wanted.content:
                return stored
            if stored is None and wanted.version:
                raise _not_found(flag.key, [])
            # Of two that make it at once, the second finds it made.
            if (stored.version if stored else 0) != wanted.version or not (
                row := await _write(connection, wanted)
            ):
                raise await _changed(connection, flag)
            after = self._flag(row)
            await connection.execute(
                "INSERT INTO flag_changes (flag_key, version, actor, reason, before, after)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                after.key,
                after.version,
                actor,
                reason,
                stored.content if stored else None,
                after.content,
            )
        return after

    async def history(
        self, key: str, *, before_version: int | None = None, limit: int = 20
    ) -> list[FlagChange]:
        """Return a flag's changes, newest first.

        Raises:
            NotFound: `flag_not_found`.
        """
        await self.get(key)
        rows = await self._pool.fetch(
            "SELECT flag_key AS key, version, at, actor, reason, before, after FROM flag_changes"
            " WHERE flag_key = $1 AND version < coalesce($2, 2147483647)"
            " ORDER BY version DESC LIMIT $3",
            key,
            before_version,
            limit,
        )
        return [FlagChange(**dict(row)) for row in rows]

    async def _lock(self, connection: Connection, key: str) -> Flag | None:
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM flags WHERE key = $1 FOR UPDATE", key
        )
        return self._flag(row) if row is not None else None

    def _flag(self, row: asyncpg.Record) -> Flag:
        return Flag(
            key=row["key"],
            variants=tuple(row["variants"]),
            default_variant=row["default_variant"],
            rules=tuple(rule_of(rule, self._attributes) for rule in row["rules"]),
            enabled=row["enabled"],
            version=row["version"],
        )


async def _write(connection: Connection, flag: Flag) -> asyncpg.Record | None:
    content = flag.content
    return await connection.fetchrow(
        "INSERT INTO flags (key, enabled, variants, default_variant, rules, version)"
        " VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT (key) DO UPDATE SET enabled = $2,"
        " variants = $3, default_variant = $4, rules = $5, version = flags.version + 1,"
        f" updated_at = now() WHERE flags.version = $6 RETURNING {_COLUMNS}",
        flag.key,
        flag.enabled,
        flag.variants,
        flag.default_variant,
        content["rules"],
        flag.version,
    )


async def _changed(connection: Connection, flag: Flag) -> Conflict:
    last = await connection.fetchrow(
        "SELECT version, actor, reason FROM flag_changes WHERE flag_key = $1"
        " ORDER BY version DESC LIMIT 1",
        flag.key,
    )
    assert last is not None, "a flag without a change"
    return Conflict(
        f"{flag.key} is at version {last['version']} now, not {flag.version}: {last['actor']}"
        f" changed it ({last['reason']}). Look at it again, and then make your change.",
        code="flag_changed",
        param="version",
    )


def _not_found(key: str, known: list[str]) -> NotFound:
    return NotFound(
        f"There is no flag {key!r}.{nearest(key, known)}", code="flag_not_found", param="key"
    )


def rule_of(content: Mapping[str, Any], attributes: Attributes) -> Rule:
    """Return the rule that is stored, or shown, so.

    Raises:
        TypeError: It has a condition that no kind declares. Without that, it would give its variant
            to more than it was meant for.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    named = {name: values.pop(name, ()) for name in attributes.all}
    return Rule(**values, where={name: found for name, found in named.items() if found})
