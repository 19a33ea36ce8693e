"""An office on a database of its own, and an engine that is told nothing."""

from collections.abc import AsyncIterator

import pytest

from perdure.operations.bulk.service import BulkService
from perdure.operations.service import OperationService
from perdure.storage.pool import Pool, open_pool
from tests.integration.cli.conftest import RecordingEngine
from tests.servers import migrated_database

from .office import Office


@pytest.fixture(scope="package")
async def own_pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database nobody else writes to."""
    async with (
        migrated_database(postgres_url) as database_url,
        open_pool(database_url, size=20, application_name="perdure-tests") as pool,
    ):
        yield pool


@pytest.fixture
async def office(own_pool: Pool) -> Office:
    """An office without operations."""
    await own_pool.execute("TRUNCATE operations CASCADE", timeout=60)
    operations = OperationService(own_pool, RecordingEngine())
    return Office(own_pool, operations, BulkService(own_pool, operations))
