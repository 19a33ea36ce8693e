"""The real servers that tests run on: PostgreSQL and Temporal."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from temporalio.client import Client

from perdure.core.ports import LOOPBACK, hold_port
from perdure.durable.client import connect
from perdure.durable.payloads.values import VALUES
from perdure.embedded.postgres import start_postgres
from perdure.embedded.temporal import TemporalServer, run_temporal
from perdure.embedded.temporal_cli import ensure_temporal_cli
from perdure.schema import migrate


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Give a server's URL: `DATABASE_URL` where it is set, else an embedded one in a folder."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with start_postgres(folder, is_kept=False) as server:
        yield server.url


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """Make a fresh migrated database on a server, and drop it at the end."""
    name = f"perdure_test_{uuid4().hex[:8]}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    base, _, query = server_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    await migrate(url)
    await server.close()
    yield url
    server = await asyncpg.connect(server_url)
    await drop_database(server, name)
    await server.close()


async def drop_database(server: Any, name: str) -> None:
    """Drop a database, and the role that its customers' requests took."""
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.execute(f"DROP ROLE IF EXISTS perdure_customer_{name}")


@asynccontextmanager
async def temporal_server(folder: Path) -> AsyncIterator[Client]:
    """Give a client of the cluster at `TEMPORAL_ADDRESS`, else of a dev server in a folder."""
    if os.environ.get("TEMPORAL_ADDRESS"):
        yield await connect()
        return
    with hold_port(LOOPBACK, 0) as held:
        server = TemporalServer(
            cli=ensure_temporal_cli(tell), data_dir=folder, port=held.number, ui_port=None
        )
        async with run_temporal(server):
            yield await Client.connect(server.address, data_converter=VALUES)


def tell(sentence: str) -> None:
    """Tell the person at the terminal, whatever pytest captures."""
    print(sentence, file=sys.__stderr__, flush=True)
