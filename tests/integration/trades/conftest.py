"""A market for each test."""

import pytest

from perdure.storage.pool import Pool

from .market import Market


@pytest.fixture
async def market(pool: Pool) -> Market:
    return await Market.open(pool)
