"""Runs SQLAlchemy Core statements on an asyncpg connection."""

from typing import Any

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.elements import ClauseElement

from perdure.storage.pool import Connection, Pool

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


def _compile(statement: Executable) -> tuple[str, list[Any]]:
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]  # type: ignore[attr-defined]


async def fetch(
    connection: Connection | Pool, statement: Executable, *, timeout_s: float | None = None
) -> list[asyncpg.Record]:
    """Run a statement that was put together at run time, and return its rows.

    Args:
        timeout_s: For what takes longer than the pool's statements may.
    """
    sql, arguments = _compile(statement)
    return await connection.fetch(sql, *arguments, timeout=timeout_s)
