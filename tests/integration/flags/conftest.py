"""Flags in a real table, each test with one of its own."""

from uuid import uuid4

import pytest

from perdure.capability.engine_flags import flag_attributes
from perdure.flags.model import Flag
from perdure.flags.store import FlagStore
from perdure.storage.pool import Pool


@pytest.fixture
def store(pool: Pool) -> FlagStore:
    return FlagStore(pool, flag_attributes())


@pytest.fixture
async def flag(store: FlagStore) -> Flag:
    """A flag of two engines, without rules."""
    new = Flag(f"engine-{uuid4().hex[:12]}", ("legacy", "perdure"), "legacy")
    return await store.put(new, actor="tests", reason="It is needed.")
