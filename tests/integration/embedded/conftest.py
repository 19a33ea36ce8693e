"""The parts that tests of the embedded engines share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perdure.embedded.temporal_cli import ensure_temporal_cli

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture(scope="session")
def temporal_cli() -> Path:
    """Temporal's CLI, found as `perdure up` finds it."""
    return ensure_temporal_cli(print)


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds, for 20 seconds at most."""

    async def wait(condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline_s, "it did not come about within 20 s"
            await asyncio.sleep(0.02)

    return wait
