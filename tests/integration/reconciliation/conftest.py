"""A database of its own for each file: what one leaves open, the next would find."""

from collections.abc import AsyncIterator

import pytest

from perdure.storage.pool import Pool, open_pool
from tests.servers import migrated_database


@pytest.fixture(scope="module")
async def books(postgres_url: str) -> AsyncIterator[Pool]:
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as pool:
        yield pool
