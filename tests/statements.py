"""Every SQL statement that the product sends, read from its source; and how it is carried out.

A statement is the first argument of a call that sends one. Most are constants, or put together of
constants; what is put together of what is known only then is to be seen while it runs.
"""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import perdure
from perdure.storage.pool import Connection

_SENDS: Final = {"fetch", "fetchrow", "fetchval", "execute", "executemany"}
_NOT_THE_PRODUCT: Final = tuple(
    f"perdure.{name}"
    for name in (
        *("chaos", "cli.demo", "embedded", "fintech", "simulators", "soak", "storage.migrat"),
        "testing",
    )
)
"""They look at a database of minutes, or at none of ours."""
_PLANNED: Final = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b")


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement that a line sends.

    Args:
        sql: None: it is put together at run time, of what `source` names.
    """

    place: str
    source: str
    sql: str | None


def sent() -> Iterator[Sent]:
    """Return what each line of the product sends."""
    for found in pkgutil.walk_packages(perdure.__path__, "perdure."):
        last = found.name.rpartition(".")[2]
        if found.name.startswith(_NOT_THE_PRODUCT) or last.startswith(("__main__", "demo")):
            continue
        module = importlib.import_module(found.name)
        for call in _calls(module):
            source = ast.unparse(call)
            sql = _evaluated(call, module)
            if sql is None or _PLANNED.match(sql):
                yield Sent(f"{found.name}:{call.lineno}", source, sql)


def _calls(module: ModuleType) -> Iterator[ast.expr]:
    assert module.__file__ is not None
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]) if name in _SENDS:
                yield first


def _evaluated(expression: ast.expr, module: ModuleType) -> str | None:
    code = compile(ast.Expression(expression), module.__name__, "eval")
    try:
        return str(eval(code, dict(vars(module))))  # noqa: S307 - our own source
    except NameError:
        return None


@dataclass(frozen=True, slots=True)
class Database:
    """What is known of a filled database.

    Args:
        grows: The tables that have many rows, and will have more.
        few: How many are few.
        small: The indexes that have few entries all the same: of what is open, say.
    """

    grows: frozenset[str]
    few: int
    small: frozenset[str]

    @classmethod
    async def of(cls, connection: Connection, *, few: int) -> "Database":
        """Look at one whose statistics are fresh."""
        rows = await connection.fetch(
            "SELECT relname, relkind, reltuples FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r'::\"char\", 'i')"
        )
        return cls(
            frozenset(r["relname"] for r in rows if r["relkind"] == b"r" and r["reltuples"] > few),
            few,
            frozenset(r["relname"] for r in rows if r["relkind"] == b"i" and r["reltuples"] <= few),
        )

    def read_whole(self, plan: Mapping[str, Any], *, in_order: bool = False) -> list[str]:
        """Return what a plan reads from end to end, of what grows.

        Args:
            in_order: Somebody above takes the first rows, as they come.
        """
        kind, index = plan["Node Type"], plan.get("Index Name")
        found = []
        if kind == "Seq Scan" and plan["Relation Name"] in self.grows:
            found.append(f"the table {plan['Relation Name']}")
        elif index and index not in self.small:
            is_narrowed = "Index Cond" in plan
            if not is_narrowed and (not in_order or "Filter" in plan):
                found.append(f"the index {index}")
            if is_narrowed and not in_order and plan["Plan Rows"] > self.few:
                found.append(f"much of the index {index}")
        in_order = kind == "Limit" or (in_order and kind in _PASS_ON)
        for below in plan.get("Plans", ()):
            found += self.read_whole(below, in_order=in_order)
        return found


_PASS_ON: Final = {"LockRows", "Nested Loop", "Result", "Subquery Scan", "Append", "Merge Append"}
"""What asks for no more rows than it is asked for."""


async def plan_of(connection: Connection, sql: str, *arguments: object) -> dict[str, Any]:
    """Return how a statement is carried out; with its arguments, also how many rows it read."""
    await connection.execute(f"PREPARE asked AS {sql}")
    try:
        count = await connection.fetchval(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'asked'"
        )
        given = [await _quoted(connection, one) for one in arguments] or ["NULL"] * count
        how = "ANALYZE, TIMING OFF, SUMMARY OFF, " if arguments else ""
        call = f"asked ({', '.join(given)})" if given else "asked"
        told = await connection.fetchval(f"EXPLAIN ({how}FORMAT JSON) EXECUTE {call}")
    finally:
        await connection.execute("DEALLOCATE asked")
    plan: dict[str, Any] = json.loads(told)[0]["Plan"]
    return plan


async def _quoted(connection: Connection, value: object) -> str:
    if isinstance(value, dict):
        value = json.dumps(value)
    if isinstance(value, list):
        return f"ARRAY[{', '.join([await _quoted(connection, one) for one in value])}]::text[]"
    said = None if value is None else str(value)
    quoted: str = await connection.fetchval("SELECT quote_nullable($1)", said)
    return quoted


def rows_read(plan: Mapping[str, Any]) -> int:
    """Return how many rows of tables and indexes were looked at, those left out included."""
    own = 0
    if "Relation Name" in plan or "Index Name" in plan:
        left_out = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        per_loop = plan["Actual Rows"] + sum(plan.get(name, 0) for name in left_out)
        own = round(per_loop * plan["Actual Loops"])
    return own + sum(rows_read(below) for below in plan.get("Plans", ()))
