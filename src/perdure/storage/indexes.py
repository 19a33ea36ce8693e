"""Indexes of tables that may be large: built beside the work, after the migrations.

A migration's own would keep everybody from writing until it is there, and one that was broken off
would leave none. Here each that is missing, or was left half built, is built; so `perdure migrate`
may be ended at any moment, and run again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

from perdure.storage.connecting import connect

log = structlog.get_logger()

_LOCK: Final = 7_265_313
"""Advisory lock held meanwhile, so that two processes do not build one index."""
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
_LOOK_AGAIN_S: Final = 0.2
_LARGE_BYTES: Final = 32 * 1024 * 1024
"""A smaller table's index is there in a moment, and needs not wait for who writes now."""

_BY_PAGES: Final = "WITH (pages_per_range = 32, autosummarize = on)"

INDEXES: Final = {
    # What did not succeed, by status: the operators' lists, and what is open.
    "operations_status": 'operations (status, right(id, 26) COLLATE "C", kind)'
    " WHERE status <> 'succeeded'",
    "operations_failure": "operations ((failure->>'code'), (failure->>'step'))"
    " WHERE failure IS NOT NULL",
    "operations_metadata": "operations USING gin (metadata jsonb_path_ops)"
    " WHERE metadata <> '{}'::jsonb",
    # By time, some pages an entry: they cost next to nothing to write. `multi`: one old operation
    # that is touched today does not widen its neighbours' range to a year.
    "operations_times": "operations USING brin (created_at timestamptz_minmax_multi_ops,"
    f" updated_at timestamptz_minmax_multi_ops) {_BY_PAGES}",
    # By the operation alone: it has a few rows, whose key is then kept once; their order is made.
    "operation_steps_of": "operation_steps (operation_id)",
    "operation_trail_of": "operation_trail (operation_id)",
    "ledger_transfers_of": "ledger_transfers (operation_id) WHERE operation_id IS NOT NULL",
    # What `verify` looks for: the operations that were touched since.
    "ledger_transfers_created": f"ledger_transfers USING brin (created_at) {_BY_PAGES}",
    "operation_trail_at": f"operation_trail USING brin (at) {_BY_PAGES}",
    "provider_calls_updated": "provider_calls USING brin (updated_at timestamptz_minmax_multi_ops)"
    f" {_BY_PAGES}",
    "notifications_created": f"notifications USING brin (created_at) {_BY_PAGES}",
}
"""What each is on, by its name; a kind has its own beside these (`Capability.indexes`)."""

GONE: Final = (
    "operations_open",
    "operation_steps_operation",
    "operation_trail_operation",
    "ledger_transfers_operation",
)
"""Those of earlier releases, which these take the place of."""


async def build_indexes(
    connection: "asyncpg.Connection[Any]", database_url: str, of_kinds: Mapping[str, str]
) -> None:
    """Build what is missing, and drop what has gone.

    Args:
        connection: Without an open transaction.
        database_url: Where another connection is opened, which holds the lock.
        of_kinds: What the kinds' own are on, by their names.
    """
    wanted = {**INDEXES, **of_kinds}
    if not await _left_to_do(connection, wanted):
        return
    holder = await connect(database_url, application_name="perdure-migrate")
    try:
        async with _locked(holder):
            for statement in await _left_to_do(connection, wanted):
                if statement.startswith("CREATE INDEX CONCURRENTLY"):
                    log.info("index_is_built", statement=statement)
                await connection.execute(statement)
    finally:
        await holder.close()


@asynccontextmanager
async def _locked(holder: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Hold the lock, and nothing that a build would wait for: no statement, and no snapshot."""
    while True:
        async with holder.transaction():
            if await holder.fetchval(_TRY_LOCK, _LOCK):
                # The answer before is let go of by the next statement; with it, what it had seen.
                await holder.execute("SELECT")
                yield
                return
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _left_to_do(
    connection: "asyncpg.Connection[Any]", wanted: Mapping[str, str]
) -> list[str]:
    found = await connection.fetch(
        "SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid"
        " WHERE relname = ANY($1) AND pg_table_is_visible(pg_class.oid)",
        [*wanted, *GONE],
    )
    there: dict[str, bool] = {row["relname"]: row["indisvalid"] for row in found}
    statements = []
    for name, on in wanted.items():
        if there.get(name):
            continue
        if name in there:
            statements.append(f"DROP INDEX CONCURRENTLY {name}")
        size = await connection.fetchval("SELECT pg_relation_size($1::regclass)", on.split()[0])
        beside = "CONCURRENTLY " if size > _LARGE_BYTES else ""
        statements.append(f"CREATE INDEX {beside}{name} ON {on}")
    return statements + [f"DROP INDEX CONCURRENTLY {name}" for name in GONE if name in there]
