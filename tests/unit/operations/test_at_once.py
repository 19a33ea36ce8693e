"""Which provider an interactive lane takes for slow: one whose calls do not end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from perdure.core.errors import ProviderNotCalled
from perdure.core.turns import Permit
from perdure.operations.lanes import permits, work
from perdure.operations.lanes.permits import AtOnce
from perdure.operations.lanes.work import LaneLimits


@asynccontextmanager
async def granted(_: str) -> AsyncIterator[Permit]:
    yield Permit()


@pytest.mark.parametrize("they_end", [True, False])
async def test_many_calls_that_end_are_waited_for_and_those_that_hang_are_not(
    monkeypatch: pytest.MonkeyPatch, they_end: bool
) -> None:
    monkeypatch.setattr(permits, "_ROOM_S", 0.05)
    room_for_one = SimpleNamespace(limits=LaneLimits(at_once=3))
    monkeypatch.setattr(work, "_work", SimpleNamespace(get=lambda: room_for_one))
    at_once, end = AtOnce(granted), asyncio.Event()

    async def call() -> bool:
        try:
            async with at_once.permit("bank"):
                await (asyncio.sleep(0.03) if they_end else end.wait())
        except ProviderNotCalled:
            return False
        return True

    calls = [asyncio.create_task(call()) for _ in range(8)]
    await asyncio.wait(calls[1:])
    end.set()
    made = await asyncio.gather(*calls)
    assert sum(made) == (8 if they_end else 1)
